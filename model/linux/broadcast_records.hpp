// Records of the tick broadcast, ids 544 to 551; the kernel traces none of it.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

inline constexpr sim::RecordKind kBroadcastDeviceRecord{544,
                                                        "linux",
                                                        "broadcast_device",
                                                        "hw",
                                                        sim::TimelineShape::kInstant,
                                                        {},
                                                        "a device wakes CPUs whose own timers stop from here on",
                                                        {{"device", sim::OperandType::kName}}};
inline constexpr sim::RecordKind kBroadcastProgramRecord{
    545,
    "linux",
    "broadcast_program",
    "hw",
    sim::TimelineShape::kInstant,
    {},
    "the broadcast device was asked for an interrupt, which goes to that CPU; false: too late",
    {{"next_event", sim::OperandType::kTimeNs},
     {"target", sim::OperandType::kCpu},
     {"success", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kBroadcastEnterRecord{546,
                                                       "linux",
                                                       "broadcast_enter",
                                                       "idle",
                                                       sim::TimelineShape::kInstant,
                                                       {},
                                                       "a CPU leaves it to the broadcast device to wake it by then",
                                                       {{"deadline", sim::OperandType::kTimeNs}}};
inline constexpr sim::RecordKind kBroadcastExitRecord{547,
                                                      "linux",
                                                      "broadcast_exit",
                                                      "idle",
                                                      sim::TimelineShape::kInstant,
                                                      {},
                                                      "a CPU has its own clock-event device again",
                                                      {{"cpu", sim::OperandType::kCpu}}};
inline constexpr sim::RecordKind kBroadcastWakeRecord{548,
                                                      "linux",
                                                      "broadcast_wake",
                                                      "irq",
                                                      sim::TimelineShape::kInstant,
                                                      {},
                                                      "the broadcast calls the handler of a CPU's clock-event device",
                                                      {{"target", sim::OperandType::kCpu}}};

inline constexpr std::array kBroadcastRecordKinds{kBroadcastDeviceRecord, kBroadcastProgramRecord,
                                                  kBroadcastEnterRecord, kBroadcastExitRecord, kBroadcastWakeRecord};

}  // namespace ticklab::linux_
