// Records of the proposal of 2017, ids 672 to 679. It was posted without trace events.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_::tmigr2017 {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

inline constexpr RecordKind kGroupRecord{
    672,
    "linux",
    "tmigr2017_group",
    "timer",
    TimelineShape::kInstant,
    {},
    "a group was created",
    {{"group", OperandType::kObject}, {"lvl", OperandType::kUnsigned}, {"numa_node", OperandType::kSigned}}};
inline constexpr RecordKind kParentRecord{673,
                                          "linux",
                                          "tmigr2017_parent",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a group got its parent",
                                          {{"group", OperandType::kObject}, {"parent", OperandType::kObject}}};
inline constexpr RecordKind kActiveRecord{674,
                                          "linux",
                                          "tmigr2017_active",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a child of a group became active",
                                          {{"group", OperandType::kObject},
                                           {"lvl", OperandType::kUnsigned},
                                           {"cpu", OperandType::kCpu},
                                           {"active", OperandType::kUnsigned},
                                           {"migrator", OperandType::kCpu}}};
inline constexpr RecordKind kInactiveRecord{675,
                                            "linux",
                                            "tmigr2017_inactive",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a child of a group became inactive, or got another migrator",
                                            {{"group", OperandType::kObject},
                                             {"lvl", OperandType::kUnsigned},
                                             {"cpu", OperandType::kCpu},
                                             {"active", OperandType::kUnsigned},
                                             {"migrator", OperandType::kCpu}}};
inline constexpr RecordKind kQueueRecord{
    676,
    "linux",
    "tmigr2017_queue",
    "timer",
    TimelineShape::kInstant,
    {},
    "an event was queued in a group",
    {{"group", OperandType::kObject}, {"cpu", OperandType::kCpu}, {"expires", OperandType::kTimeNs}}};
inline constexpr RecordKind kDequeueRecord{
    677,
    "linux",
    "tmigr2017_dequeue",
    "timer",
    TimelineShape::kInstant,
    {},
    "an event left the queue of a group",
    {{"group", OperandType::kObject}, {"cpu", OperandType::kCpu}, {"expires", OperandType::kTimeNs}}};
inline constexpr RecordKind kIdleRecord{
    678,
    "linux",
    "tmigr2017_idle",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU told the hierarchy that it is idle",
    {{"cpu", OperandType::kCpu}, {"nextevt", OperandType::kTimeNs}, {"wakeup", OperandType::kTimeNs}}};
inline constexpr RecordKind kRemoteRecord{679,
                                          "linux",
                                          "tmigr2017_remote",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a CPU's global timers are expired for it",
                                          {{"cpu", OperandType::kCpu}}};

inline constexpr std::array kTmigr2017RecordKinds{kGroupRecord, kParentRecord,  kActiveRecord, kInactiveRecord,
                                                  kQueueRecord, kDequeueRecord, kIdleRecord,   kRemoteRecord};

}  // namespace ticklab::linux_::tmigr2017
