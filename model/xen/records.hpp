// Records of the hypervisor's timer core, ids 256 to 287, and of its broadcast, from 300.
//
// The chains that `why` walks: timer_set -> deadline -> the interrupt it programs -> softirq_raise -> softirq_entry;
// and timer_set -> timer_expire_entry, with the callback before it in waited_on. A deadline comes from the set of the
// timer that decides it.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::xen {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

inline constexpr RecordKind kTimerInitRecord{256,
                                             "xen",
                                             "timer_init",
                                             "timer",
                                             TimelineShape::kInstant,
                                             {},
                                             "a timer was initialised",
                                             {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}}};
inline constexpr RecordKind kTimerSetRecord = RecordKind{
    257,
    "xen",
    "timer_set",
    "timer",
    TimelineShape::kInstant,
    {},
    "a timer was set, to no effect if it is killed",
    {{"timer", OperandType::kObject},
     {"owner", OperandType::kCpu},
     {"expires", OperandType::kTimeNs},
     {"expires_end", OperandType::kTimeNs},
     {"effective", OperandType::kBool}}}.as(sim::RecordRole::kArmed);
inline constexpr RecordKind kTimerStopRecord{
    258,
    "xen",
    "timer_stop",
    "timer",
    TimelineShape::kInstant,
    {},
    "a timer was stopped",
    {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}, {"was_active", OperandType::kBool}}};
inline constexpr RecordKind kTimerMigrateRecord{259,
                                                "xen",
                                                "timer_migrate",
                                                "timer",
                                                TimelineShape::kInstant,
                                                {},
                                                "a timer was given to another CPU",
                                                {{"timer", OperandType::kObject},
                                                 {"from", OperandType::kCpu},
                                                 {"to", OperandType::kCpu},
                                                 {"was_active", OperandType::kBool}}};
inline constexpr RecordKind kTimerKillRecord{
    260,
    "xen",
    "timer_kill",
    "timer",
    TimelineShape::kInstant,
    {},
    "a timer was killed; its callback may still run until kill returns",
    {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}, {"was_active", OperandType::kBool}}};
inline constexpr RecordKind kTimerExpireEntryRecord = RecordKind{
    261,
    "xen",
    "timer_expire_entry",
    "timer",
    TimelineShape::kSliceBegin,
    "timer expire",
    "a callback starts",
    {{"timer", OperandType::kObject},
     {"expires", OperandType::kTimeNs}}}.as(sim::RecordRole::kCallbackBegin);
inline constexpr RecordKind kTimerExpireExitRecord = RecordKind{
    262,
    "xen",
    "timer_expire_exit",
    "timer",
    TimelineShape::kSliceEnd,
    "timer expire",
    "a callback returned",
    {{"timer", OperandType::kObject}}}.as(sim::RecordRole::kCallbackEnd);
inline constexpr RecordKind kTimerActivateRecord = RecordKind{
    263,
    "xen",
    "timer_activate",
    "timer",
    TimelineShape::kAsyncBegin,
    "timer pending",
    "a timer was queued",
    {{"timer", OperandType::kObject},
     {"owner", OperandType::kCpu},
     {"expires", OperandType::kTimeNs}}}.as(sim::RecordRole::kQueued);
inline constexpr RecordKind kTimerDeactivateRecord{
    264,
    "xen",
    "timer_deactivate",
    "timer",
    TimelineShape::kAsyncEnd,
    "timer pending",
    "a timer is no longer queued",
    {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}, {"expired", OperandType::kBool}}};
inline constexpr RecordKind kSoftirqRaiseRecord{
    265,
    "xen",
    "softirq_raise",
    "irq",
    TimelineShape::kInstant,
    {},
    "a softirq bit that was clear was set",
    {{"target", OperandType::kCpu}, {"softirq", OperandType::kUnsigned}, {"ipi", OperandType::kBool}}};
inline constexpr RecordKind kSoftirqEntryRecord = RecordKind{
    266,
    "xen",
    "softirq_entry",
    "irq",
    TimelineShape::kSliceBegin,
    "softirq",
    "a softirq handler starts",
    {{"softirq", OperandType::kUnsigned}}}.as(sim::RecordRole::kSoftirqBegin);
inline constexpr RecordKind kSoftirqExitRecord = RecordKind{
    267,
    "xen",
    "softirq_exit",
    "irq",
    TimelineShape::kSliceEnd,
    "softirq",
    "a softirq handler returned",
    {{"softirq", OperandType::kUnsigned}}}.as(sim::RecordRole::kSoftirqEnd);
inline constexpr RecordKind kHeapInsertRecord = RecordKind{
    268,
    "xen",
    "heap_insert",
    "timer",
    TimelineShape::kHidden,
    {},
    "a timer went into a heap",
    {{"timer", OperandType::kObject},
     {"owner", OperandType::kCpu},
     {"index", OperandType::kUnsigned},
     {"size", OperandType::kUnsigned}}}.as(sim::RecordRole::kQueued);
inline constexpr RecordKind kHeapRemoveRecord{
    269,
    "xen",
    "heap_remove",
    "timer",
    TimelineShape::kHidden,
    {},
    "a timer left a heap",
    {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}, {"size", OperandType::kUnsigned}}};
inline constexpr RecordKind kOverflowRecord = RecordKind{
    270,
    "xen",
    "heap_overflow",
    "timer",
    TimelineShape::kInstant,
    {},
    "a heap was full and a timer went on the overflow list",
    {{"timer", OperandType::kObject},
     {"owner", OperandType::kCpu},
     {"limit", OperandType::kUnsigned},
     {"length", OperandType::kUnsigned}}}.as(sim::RecordRole::kQueued);
inline constexpr RecordKind kListRemoveRecord{
    271,
    "xen",
    "list_remove",
    "timer",
    TimelineShape::kHidden,
    {},
    "a timer left an overflow list",
    {{"timer", OperandType::kObject}, {"owner", OperandType::kCpu}, {"length", OperandType::kUnsigned}}};
inline constexpr RecordKind kHeapGrowthRecord{
    272,
    "xen",
    "heap_growth",
    "timer",
    TimelineShape::kInstant,
    {},
    "a heap got a larger array",
    {{"old_limit", OperandType::kUnsigned}, {"limit", OperandType::kUnsigned}, {"bytes", OperandType::kUnsigned}}};
inline constexpr RecordKind kHeapGrowthFailedRecord{
    273,
    "xen",
    "heap_growth_failed",
    "timer",
    TimelineShape::kInstant,
    {},
    "a heap keeps its array, for want of memory",
    {{"limit", OperandType::kUnsigned}, {"bytes", OperandType::kUnsigned}}};
inline constexpr RecordKind kGroupMemberRecord{274,
                                               "xen",
                                               "group_member",
                                               "timer",
                                               TimelineShape::kHidden,
                                               {},
                                               "a timer joined the group that the coming deadline stands for",
                                               {{"timer", OperandType::kObject}}};
inline constexpr RecordKind kDeadlineRecord = RecordKind{
    275,
    "xen",
    "deadline",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU's deadline range was computed and published; start 0 is none",
    {{"size", OperandType::kUnsigned},
     {"start", OperandType::kTimeNs},
     {"end", OperandType::kTimeNs}}}.as(sim::RecordRole::kDeadline);
inline constexpr RecordKind kReprogramRecord{
    276,
    "xen",
    "reprogram",
    "hw",
    TimelineShape::kInstant,
    {},
    "the timer hardware was programmed: bus ticks, or a TSC value",
    {{"deadline", OperandType::kTimeNs}, {"value", OperandType::kUnsigned}, {"ok", OperandType::kBool}}};
inline constexpr RecordKind kDrainRecord{277,
                                         "xen",
                                         "timer_drain",
                                         "scenario",
                                         TimelineShape::kInstant,
                                         {},
                                         "all timers of a CPU that is off-line were given to another",
                                         {{"victim", OperandType::kCpu},
                                          {"target", OperandType::kCpu},
                                          {"queued", OperandType::kUnsigned},
                                          {"inactive", OperandType::kUnsigned}}};
inline constexpr RecordKind kBaseInitRecord{278,
                                            "xen",
                                            "timer_base_init",
                                            "scenario",
                                            TimelineShape::kInstant,
                                            {},
                                            "a CPU's timer base was initialised",
                                            {{"target", OperandType::kCpu}}};

inline constexpr RecordKind kHeapLimitRecord{279,
                                             "xen",
                                             "heap_limit",
                                             "timer",
                                             TimelineShape::kInstant,
                                             {},
                                             "a heap stays as large as it is: the next limit would not fit its field",
                                             {{"limit", OperandType::kUnsigned}}};

inline constexpr RecordKind kBroadcastEnterRecord{
    300,
    "xen",
    "broadcast_enter",
    "timer",
    TimelineShape::kInstant,
    {},
    "a CPU goes to sleep in the set of a broadcast channel",
    {{"channel", OperandType::kUnsigned}, {"deadline", OperandType::kSigned}}};
inline constexpr RecordKind kBroadcastExitRecord{301,
                                                 "xen",
                                                 "broadcast_exit",
                                                 "timer",
                                                 TimelineShape::kInstant,
                                                 {},
                                                 "a CPU has left the set of a broadcast channel",
                                                 {{"channel", OperandType::kUnsigned}}};
inline constexpr RecordKind kBroadcastProgramRecord{
    302,
    "xen",
    "broadcast_program",
    "timer",
    TimelineShape::kInstant,
    {},
    "the comparator of a broadcast channel was written, in time or not; 0 ticks stop it",
    {{"channel", OperandType::kUnsigned},
     {"expires", OperandType::kSigned},
     {"ticks", OperandType::kUnsigned},
     {"ok", OperandType::kBool}}};
inline constexpr RecordKind kBroadcastWakeRecord{303,
                                                 "xen",
                                                 "broadcast_wake",
                                                 "timer",
                                                 TimelineShape::kInstant,
                                                 {},
                                                 "a broadcast channel wakes a CPU, by a write to its flag or not",
                                                 {{"target", OperandType::kCpu}, {"by_flag", OperandType::kBool}}};
inline constexpr RecordKind kBroadcastOwnerRecord{
    304,
    "xen",
    "broadcast_owner",
    "timer",
    TimelineShape::kInstant,
    {},
    "the interrupt of a broadcast channel goes to another CPU, or to none",
    {{"channel", OperandType::kUnsigned}, {"owner", OperandType::kCpu}}};

/// Copies, for the registry: kinds are told apart by id.
inline constexpr std::array kXenRecordKinds{kTimerInitRecord,       kTimerSetRecord,      kTimerStopRecord,
                                            kTimerMigrateRecord,    kTimerKillRecord,     kTimerExpireEntryRecord,
                                            kTimerExpireExitRecord, kTimerActivateRecord, kTimerDeactivateRecord,
                                            kSoftirqRaiseRecord,    kSoftirqEntryRecord,  kSoftirqExitRecord,
                                            kHeapInsertRecord,      kHeapRemoveRecord,    kOverflowRecord,
                                            kListRemoveRecord,      kHeapGrowthRecord,    kHeapGrowthFailedRecord,
                                            kGroupMemberRecord,     kDeadlineRecord,      kReprogramRecord,
                                            kDrainRecord,           kBaseInitRecord,      kHeapLimitRecord,
                                            kBroadcastEnterRecord,  kBroadcastExitRecord, kBroadcastProgramRecord,
                                            kBroadcastWakeRecord,   kBroadcastOwnerRecord};

}  // namespace ticklab::xen
