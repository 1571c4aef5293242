// Records of high-resolution timers, ids 560 to 575 (LHR 16).
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

using sim::OperandType;
using sim::RecordKind;
using sim::TimelineShape;

inline constexpr RecordKind kHrtimerInitRecord{
    560,
    "linux",
    "hrtimer_init",
    "timer",
    TimelineShape::kInstant,
    {},
    "a high-resolution timer was set up (before 6.15)",
    {{"hrtimer", OperandType::kObject}, {"clockid", OperandType::kName}, {"mode", OperandType::kName}},
    "hrtimer=%p clockid=%s mode=%s"};
inline constexpr RecordKind kHrtimerSetupRecord{
    561,
    "linux",
    "hrtimer_setup",
    "timer",
    TimelineShape::kInstant,
    {},
    "a high-resolution timer was set up",
    {{"hrtimer", OperandType::kObject}, {"clockid", OperandType::kName}, {"mode", OperandType::kName}},
    "hrtimer=%p clockid=%s mode=%s"};
inline constexpr RecordKind kHrtimerStartRecord{
    562,
    "linux",
    "hrtimer_start",
    "timer",
    TimelineShape::kInstant,
    {},
    "a high-resolution timer was queued",
    {{"hrtimer", OperandType::kObject},
     {"function", OperandType::kName},
     {"expires", OperandType::kSigned},
     {"softexpires", OperandType::kSigned},
     {"mode", OperandType::kName},
     {"was_armed", OperandType::kBool}},
    "hrtimer=%p function=%ps expires=%llu softexpires=%llu mode=%s was_armed=%d"};
inline constexpr RecordKind kHrtimerCancelRecord{563,
                                                 "linux",
                                                 "hrtimer_cancel",
                                                 "timer",
                                                 TimelineShape::kInstant,
                                                 {},
                                                 "a queued high-resolution timer was taken out; not where it expires",
                                                 {{"hrtimer", OperandType::kObject}},
                                                 "hrtimer=%p"};
inline constexpr RecordKind kHrtimerExpireEntryRecord{
    564,
    "linux",
    "hrtimer_expire_entry",
    "timer",
    TimelineShape::kSliceBegin,
    "hrtimer expire",
    "a callback starts; the time of its clock when the pass began",
    {{"hrtimer", OperandType::kObject}, {"function", OperandType::kName}, {"now", OperandType::kSigned}},
    "hrtimer=%p function=%ps now=%llu"};
inline constexpr RecordKind kHrtimerExpireExitRecord{565,
                                                     "linux",
                                                     "hrtimer_expire_exit",
                                                     "timer",
                                                     TimelineShape::kSliceEnd,
                                                     "hrtimer expire",
                                                     "a callback returned",
                                                     {{"hrtimer", OperandType::kObject}},
                                                     "hrtimer=%p"};
inline constexpr RecordKind kHrtimerHangRecord = RecordKind{
    566,
    "linux",
    "hrtimer_hang",
    "timer",
    TimelineShape::kInstant,
    {},
    "the interrupt took three passes and gives the CPU a rest as long as they took",
    {{"spent", OperandType::kUnsigned},
     {"until", OperandType::kTimeNs}}}.as(sim::RecordRole::kRest);
inline constexpr RecordKind kHrtimersDyingRecord{
    567,
    "linux",
    "hrtimers_dying",
    "scenario",
    TimelineShape::kInstant,
    {},
    "all high-resolution timers of a dying CPU were moved",
    {{"victim", OperandType::kCpu}, {"receiver", OperandType::kCpu}, {"count", OperandType::kUnsigned}}};

inline constexpr std::array kHrtimerRecordKinds{
    kHrtimerInitRecord,        kHrtimerSetupRecord,      kHrtimerStartRecord, kHrtimerCancelRecord,
    kHrtimerExpireEntryRecord, kHrtimerExpireExitRecord, kHrtimerHangRecord,  kHrtimersDyingRecord};

}  // namespace ticklab::linux_
