// Records of the machine itself, ids 1 to 31.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

inline constexpr RecordKind kIrqEntry{1,
                                      "sim",
                                      "irq_entry",
                                      "irq",
                                      TimelineShape::kSliceBegin,
                                      "irq",
                                      "a CPU took an interrupt",
                                      {{"vector", OperandType::kVector}}};
inline constexpr RecordKind kIrqExit{2,
                                     "sim",
                                     "irq_exit",
                                     "irq",
                                     TimelineShape::kSliceEnd,
                                     "irq",
                                     "a CPU returned from an interrupt",
                                     {{"vector", OperandType::kVector}}};
inline constexpr RecordKind kIdleEnter{3,
                                       "sim",
                                       "idle_enter",
                                       "idle",
                                       TimelineShape::kSliceBegin,
                                       "idle",
                                       "a CPU decided to sleep",
                                       {{"state", OperandType::kName}}};
inline constexpr RecordKind kIdleExit{4,
                                      "sim",
                                      "idle_exit",
                                      "idle",
                                      TimelineShape::kSliceEnd,
                                      "idle",
                                      "a CPU is awake again, exit latency paid",
                                      {{"state", OperandType::kName}, {"reason", OperandType::kName}}};
inline constexpr RecordKind kLockWaitBegin{5,
                                           "sim",
                                           "lock_wait_begin",
                                           "lock",
                                           TimelineShape::kSliceBegin,
                                           "lock wait",
                                           "a CPU queued for a held spin lock",
                                           {{"lock", OperandType::kObject}, {"owner", OperandType::kCpu}}};
inline constexpr RecordKind kLockWaitEnd{6,
                                         "sim",
                                         "lock_wait_end",
                                         "lock",
                                         TimelineShape::kSliceEnd,
                                         "lock wait",
                                         "a CPU was granted the spin lock that it waited for",
                                         {{"lock", OperandType::kObject}}};
inline constexpr RecordKind kThreadSwitch{7,
                                          "sim",
                                          "thread_switch",
                                          "sched",
                                          TimelineShape::kInstant,
                                          {},
                                          "a CPU went on with another thread",
                                          {{"from", OperandType::kObject}, {"to", OperandType::kObject}}};
inline constexpr RecordKind kThreadWake{8,
                                        "sim",
                                        "thread_wake",
                                        "sched",
                                        TimelineShape::kInstant,
                                        {},
                                        "a thread became runnable",
                                        {{"thread", OperandType::kObject}, {"on", OperandType::kCpu}}};
inline constexpr RecordKind kCpuOnline{9,
                                       "sim",
                                       "cpu_online",
                                       "scenario",
                                       TimelineShape::kInstant,
                                       {},
                                       "a CPU entered the online map",
                                       {{"target", OperandType::kCpu}}};
inline constexpr RecordKind kCpuOffline{10,
                                        "sim",
                                        "cpu_offline",
                                        "scenario",
                                        TimelineShape::kInstant,
                                        {},
                                        "a CPU left the online map",
                                        {{"target", OperandType::kCpu}}};
inline constexpr RecordKind kHotplugState{11,
                                          "sim",
                                          "hotplug_state",
                                          "scenario",
                                          TimelineShape::kInstant,
                                          {},
                                          "a callback of a hotplug state was run",
                                          {{"target", OperandType::kCpu},
                                           {"state", OperandType::kName},
                                           {"up", OperandType::kBool},
                                           {"ok", OperandType::kBool}}};
inline constexpr RecordKind kStall{12,
                                   "sim",
                                   "stall",
                                   "scenario",
                                   TimelineShape::kInstant,
                                   {},
                                   "a CPU stood still until an instant (SMI, stolen time)",
                                   {{"until", OperandType::kTimePs}}};
inline constexpr RecordKind kHoldBegin{13,
                                       "sim",
                                       "hold_begin",
                                       "scenario",
                                       TimelineShape::kSliceBegin,
                                       "held",
                                       "a CPU is held at a site by the scenario",
                                       {{"site", OperandType::kName}}};
inline constexpr RecordKind kHoldEnd{14,
                                     "sim",
                                     "hold_end",
                                     "scenario",
                                     TimelineShape::kSliceEnd,
                                     "held",
                                     "a held CPU goes on",
                                     {{"site", OperandType::kName}}};
inline constexpr RecordKind kAllocationFailed{15,
                                              "sim",
                                              "allocation_failed",
                                              "hw",
                                              TimelineShape::kInstant,
                                              {},
                                              "an allocation of model memory failed",
                                              {{"bytes", OperandType::kUnsigned}}};
inline constexpr RecordKind kSpinBegin{16,
                                       "sim",
                                       "spin_begin",
                                       "lock",
                                       TimelineShape::kSliceBegin,
                                       "spin",
                                       "a CPU polls a variable",
                                       {{"writer", OperandType::kCpu}}};
inline constexpr RecordKind kSpinEnd{
    17, "sim", "spin_end", "lock", TimelineShape::kSliceEnd, "spin", "a polled variable has the wanted value", {}};
inline constexpr RecordKind kGracePeriod{18,
                                         "sim",
                                         "rcu_grace_period",
                                         "sched",
                                         TimelineShape::kInstant,
                                         {},
                                         "an RCU grace period ended",
                                         {{"waited_readers", OperandType::kUnsigned}}};
inline constexpr RecordKind kNmiEntry{
    19, "sim", "nmi_entry", "irq", TimelineShape::kSliceBegin, "nmi", "a CPU took an NMI", {}};
inline constexpr RecordKind kNmiExit{
    20, "sim", "nmi_exit", "irq", TimelineShape::kSliceEnd, "nmi", "a CPU returned from an NMI", {}};
inline constexpr RecordKind kIrrLeft{23,
                                     "sim",
                                     "irr_left",
                                     "irq",
                                     TimelineShape::kInstant,
                                     {},
                                     "a vector is pending in a CPU that goes off-line; INIT will clear it",
                                     {{"vector", OperandType::kVector}}};

inline constexpr RecordKind kUserEnter{
    21, "sim", "user_enter", "sched", TimelineShape::kSliceBegin, "user", "a CPU went to user mode", {}};
inline constexpr RecordKind kUserExit{
    22, "sim", "user_exit", "sched", TimelineShape::kSliceEnd, "user", "a CPU left user mode", {}};

inline constexpr std::array kMachineRecordKinds{
    &kIrqEntry,     &kIrqExit,    &kIdleEnter,        &kIdleExit,   &kLockWaitBegin, &kLockWaitEnd,
    &kThreadSwitch, &kThreadWake, &kCpuOnline,        &kCpuOffline, &kHotplugState,  &kStall,
    &kHoldBegin,    &kHoldEnd,    &kAllocationFailed, &kSpinBegin,  &kSpinEnd,       &kGracePeriod,
    &kNmiEntry,     &kNmiExit,    &kUserEnter,        &kUserExit,   &kIrrLeft,
};

}  // namespace ticklab::sim
