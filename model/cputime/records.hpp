// Records of tasks, CPU clocks and CPU timers, ids 1024 to 1055.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::cputime {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

inline constexpr RecordKind kTaskRunRecord{1024,
                                           "cputime",
                                           "task_run",
                                           "sched",
                                           TimelineShape::kSliceBegin,
                                           "task",
                                           "a thread has the CPU",
                                           {{"task", OperandType::kObject}}};
inline constexpr RecordKind kTaskStopRecord{1025,
                                            "cputime",
                                            "task_stop",
                                            "sched",
                                            TimelineShape::kSliceEnd,
                                            "task",
                                            "a thread has the CPU no more",
                                            {{"task", OperandType::kObject}}};
inline constexpr RecordKind kTaskNewRecord{1026,
                                           "cputime",
                                           "task_new",
                                           "sched",
                                           TimelineShape::kInstant,
                                           {},
                                           "a thread was made",
                                           {{"task", OperandType::kObject}, {"process", OperandType::kUnsigned}}};
inline constexpr RecordKind kTaskExitRecord{1027,
                                            "cputime",
                                            "task_exit",
                                            "sched",
                                            TimelineShape::kInstant,
                                            {},
                                            "a thread ends",
                                            {{"task", OperandType::kObject},
                                             {"utime_ns", OperandType::kSigned},
                                             {"stime_ns", OperandType::kSigned},
                                             {"sum_exec_ns", OperandType::kSigned}}};
inline constexpr RecordKind kTickRecord{1028,
                                        "cputime",
                                        "tick",
                                        "timer",
                                        TimelineShape::kInstant,
                                        {},
                                        "a tick charged a thread, or nobody",
                                        {{"task", OperandType::kObject}, {"user", OperandType::kBool}}};
inline constexpr RecordKind kArmRecord{1029,
                                       "cputime",
                                       "timer_arm",
                                       "timer",
                                       TimelineShape::kAsyncBegin,
                                       "CPU timer armed",
                                       "a CPU timer was armed",
                                       {{"timer", OperandType::kObject}, {"expires_ns", OperandType::kSigned}}};
inline constexpr RecordKind kUnlinkRecord{1030,
                                          "cputime",
                                          "timer_unlink",
                                          "timer",
                                          TimelineShape::kAsyncEnd,
                                          "CPU timer armed",
                                          "a CPU timer was taken off its list",
                                          {{"timer", OperandType::kObject}}};
inline constexpr RecordKind kFireRecord{1031,
                                        "cputime",
                                        "timer_fire",
                                        "timer",
                                        TimelineShape::kInstant,
                                        {},
                                        "a CPU timer fires",
                                        {{"timer", OperandType::kObject}, {"now_ns", OperandType::kSigned}}};
inline constexpr RecordKind kDeliverRecord{1032,
                                           "cputime",
                                           "timer_deliver",
                                           "timer",
                                           TimelineShape::kInstant,
                                           {},
                                           "the signal of a CPU timer is delivered",
                                           {{"timer", OperandType::kObject}, {"overrun", OperandType::kSigned}}};
inline constexpr RecordKind kSignalRecord{1033,
                                          "cputime",
                                          "signal",
                                          "timer",
                                          TimelineShape::kInstant,
                                          {},
                                          "a signal is sent to a process",
                                          {{"signal", OperandType::kName}, {"process", OperandType::kUnsigned}}};
inline constexpr RecordKind kClockStartRecord{1034,
                                              "cputime",
                                              "timer_clock_start",
                                              "timer",
                                              TimelineShape::kInstant,
                                              {},
                                              "the timer clock of a process starts",
                                              {{"process", OperandType::kUnsigned}, {"prof_ns", OperandType::kSigned}}};
inline constexpr RecordKind kClockStopRecord{1035,
                                             "cputime",
                                             "timer_clock_stop",
                                             "timer",
                                             TimelineShape::kInstant,
                                             {},
                                             "the timer clock of a process stops",
                                             {{"process", OperandType::kUnsigned}}};
inline constexpr RecordKind kClockReadRecord{
    1036,
    "cputime",
    "clock_read",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU clock was read",
    {{"process", OperandType::kUnsigned}, {"clock", OperandType::kUnsigned}, {"value_ns", OperandType::kSigned}}};
inline constexpr RecordKind kSlowPathRecord{1037,
                                            "cputime",
                                            "slow_path",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a tick, or the task work it left, looks at the timer lists",
                                            {{"task", OperandType::kObject}}};
inline constexpr RecordKind kChildRecord{
    1038,
    "cputime",
    "child_reaped",
    "sched",
    TimelineShape::kInstant,
    {},
    "a process ended and was waited for",
    {{"process", OperandType::kUnsigned}, {"utime_ns", OperandType::kSigned}, {"stime_ns", OperandType::kSigned}}};

inline constexpr std::array kCpuTimeRecordKinds{kTaskRunRecord,   kTaskStopRecord, kTaskNewRecord,    kTaskExitRecord,
                                                kTickRecord,      kArmRecord,      kUnlinkRecord,     kFireRecord,
                                                kDeliverRecord,   kSignalRecord,   kClockStartRecord, kClockStopRecord,
                                                kClockReadRecord, kSlowPathRecord, kChildRecord};

}  // namespace ticklab::cputime
