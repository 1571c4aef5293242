// Records of the kernel's timer code, ids 512 to 639: the kernel's own trace points with their names and formats (LTW
// 17), and what it does not trace. Where there is a format, the operands are in its order.
//
// The chains that `why` walks: timer_start -> timer_expire_entry, with the callback before it in waited_on; what asked
// for a deadline -> clock_event -> the interrupt -> softirq_raise -> softirq_entry.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

inline constexpr RecordKind kTimerInitRecord{512,
                                             "linux",
                                             "timer_init",
                                             "timer",
                                             TimelineShape::kInstant,
                                             {},
                                             "a timer was initialised",
                                             {{"timer", OperandType::kObject}},
                                             "timer=%p"};
inline constexpr RecordKind kTimerStartRecord{
    513,
    "linux",
    "timer_start",
    "timer",
    TimelineShape::kAsyncBegin,
    "timer pending",
    "a timer was queued",
    {{"timer", OperandType::kObject},
     {"function", OperandType::kName},
     {"expires", OperandType::kUnsigned},
     {"timeout", OperandType::kSigned},
     {"bucket_expiry", OperandType::kUnsigned},
     {"cpu", OperandType::kCpu},
     {"idx", OperandType::kUnsigned},
     {"flags", OperandType::kName}},
    "timer=%p function=%ps expires=%lu [timeout=%ld] bucket_expiry=%lu cpu=%u idx=%u flags=%s"};
inline constexpr RecordKind kTimerExpireEntryRecord{514,
                                                    "linux",
                                                    "timer_expire_entry",
                                                    "timer",
                                                    TimelineShape::kSliceBegin,
                                                    "timer expire",
                                                    "a callback starts",
                                                    {{"timer", OperandType::kObject},
                                                     {"function", OperandType::kName},
                                                     {"now", OperandType::kUnsigned},
                                                     {"baseclk", OperandType::kUnsigned}},
                                                    "timer=%p function=%ps now=%lu baseclk=%lu"};
inline constexpr RecordKind kTimerExpireExitRecord{515,
                                                   "linux",
                                                   "timer_expire_exit",
                                                   "timer",
                                                   TimelineShape::kSliceEnd,
                                                   "timer expire",
                                                   "a callback returned",
                                                   {{"timer", OperandType::kObject}},
                                                   "timer=%p"};
inline constexpr RecordKind kTimerCancelRecord{516,
                                               "linux",
                                               "timer_cancel",
                                               "timer",
                                               TimelineShape::kAsyncEnd,
                                               "timer pending",
                                               "a timer left its bucket: deleted, moved or about to run",
                                               {{"timer", OperandType::kObject}},
                                               "timer=%p"};
inline constexpr RecordKind kTimerBaseIdleRecord{517,
                                                 "linux",
                                                 "timer_base_idle",
                                                 "timer",
                                                 TimelineShape::kInstant,
                                                 {},
                                                 "a CPU's local base was marked idle or busy",
                                                 {{"is_idle", OperandType::kBool}, {"cpu", OperandType::kCpu}},
                                                 "is_idle=%d cpu=%d"};
inline constexpr RecordKind kTimerModifyRecord{
    518,
    "linux",
    "timer_modify",
    "timer",
    TimelineShape::kInstant,
    {},
    "a pending timer got another expiry and stays in its bucket",
    {{"timer", OperandType::kObject}, {"expires", OperandType::kUnsigned}, {"bucket_expiry", OperandType::kUnsigned}}};
inline constexpr RecordKind kTimersDeadRecord{
    519,
    "linux",
    "timers_dead",
    "scenario",
    TimelineShape::kInstant,
    {},
    "all wheel timers of a dead CPU were taken over",
    {{"victim", OperandType::kCpu}, {"receiver", OperandType::kCpu}, {"count", OperandType::kUnsigned}}};
inline constexpr RecordKind kTimersPrepareRecord{520,
                                                 "linux",
                                                 "timers_prepare",
                                                 "scenario",
                                                 TimelineShape::kInstant,
                                                 {},
                                                 "the timer bases of a CPU were set up",
                                                 {{"target", OperandType::kCpu}}};
inline constexpr RecordKind kSoftirqRaiseRecord{528,
                                                "linux",
                                                "softirq_raise",
                                                "irq",
                                                TimelineShape::kInstant,
                                                {},
                                                "a softirq bit that was clear was set",
                                                {{"vec", OperandType::kUnsigned}, {"action", OperandType::kName}},
                                                "vec=%u [action=%s]"};
inline constexpr RecordKind kSoftirqEntryRecord{529,
                                                "linux",
                                                "softirq_entry",
                                                "irq",
                                                TimelineShape::kSliceBegin,
                                                "softirq",
                                                "a softirq handler starts",
                                                {{"vec", OperandType::kUnsigned}, {"action", OperandType::kName}},
                                                "vec=%u [action=%s]"};
inline constexpr RecordKind kSoftirqExitRecord{530,
                                               "linux",
                                               "softirq_exit",
                                               "irq",
                                               TimelineShape::kSliceEnd,
                                               "softirq",
                                               "a softirq handler returned",
                                               {{"vec", OperandType::kUnsigned}, {"action", OperandType::kName}},
                                               "vec=%u [action=%s]"};
inline constexpr RecordKind kJiffiesRecord{
    536,
    "linux",
    "jiffies",
    "timer",
    TimelineShape::kInstant,
    {},
    "jiffies advanced by a number of ticks; the instant of the edge",
    {{"jiffies", OperandType::kUnsigned}, {"ticks", OperandType::kUnsigned}, {"edge", OperandType::kTimeNs}}};
inline constexpr RecordKind kTickDutyRecord{537,
                                            "linux",
                                            "tick_duty",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "the duty to advance jiffies went to a CPU, or to none",
                                            {{"to", OperandType::kCpu}}};
inline constexpr RecordKind kTickStopRecord{538,
                                            "linux",
                                            "tick_stop",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a CPU stopped its tick, or could not",
                                            {{"success", OperandType::kBool}, {"dependency", OperandType::kName}},
                                            "success=%d dependency=%s"};
inline constexpr RecordKind kTickRestartRecord{539,
                                               "linux",
                                               "tick_restart",
                                               "timer",
                                               TimelineShape::kInstant,
                                               {},
                                               "a CPU restarted its tick; the next one is at that instant",
                                               {{"next", OperandType::kTimeNs}}};
inline constexpr RecordKind kCpuIdleRecord{540,
                                           "linux",
                                           "cpu_idle",
                                           "idle",
                                           TimelineShape::kHidden,
                                           {},
                                           "the idle loop enters a C-state, or (4294967295) left it",
                                           {{"state", OperandType::kUnsigned}, {"cpu_id", OperandType::kCpu}},
                                           "state=%lu cpu_id=%lu"};
inline constexpr RecordKind kClockEventRecord{
    541,
    "linux",
    "clock_event",
    "hw",
    TimelineShape::kInstant,
    {},
    "a CPU's clock-event device was programmed: a count, or a TSC value; 0 stops it",
    {{"next_event", OperandType::kTimeNs}, {"value", OperandType::kUnsigned}}};
inline constexpr RecordKind kTickModeRecord{542,
                                            "linux",
                                            "tick_mode",
                                            "timer",
                                            TimelineShape::kInstant,
                                            {},
                                            "a CPU's tick went to another mode",
                                            {{"mode", OperandType::kName}}};

/// Copies, for the registry: kinds are told apart by id.
inline constexpr std::array kTimerRecordKinds{
    kTimerInitRecord,     kTimerStartRecord,  kTimerExpireEntryRecord, kTimerExpireExitRecord, kTimerCancelRecord,
    kTimerBaseIdleRecord, kTimerModifyRecord, kTimersDeadRecord,       kTimersPrepareRecord,   kSoftirqRaiseRecord,
    kSoftirqEntryRecord,  kSoftirqExitRecord, kJiffiesRecord,          kTickDutyRecord,        kTickStopRecord,
    kTickRestartRecord,   kCpuIdleRecord,     kClockEventRecord,       kTickModeRecord};

}  // namespace ticklab::linux_
