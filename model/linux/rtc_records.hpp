// Records of the RTC's interrupts, ids 552 to 555; the kernel traces none of it.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::linux_ {

inline constexpr sim::RecordKind kRtcMaskRecord{552,
                                                "linux",
                                                "rtc_mask",
                                                "hw",
                                                sim::TimelineShape::kInstant,
                                                {},
                                                "which of the RTC's interrupts are enabled, and its periodic rate",
                                                {{"periodic", sim::OperandType::kBool},
                                                 {"alarm", sim::OperandType::kBool},
                                                 {"update", sim::OperandType::kBool},
                                                 {"rate_hz", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kRtcProgramRecord{
    553,
    "linux",
    "rtc_program",
    "hw",
    sim::TimelineShape::kInstant,
    {},
    "the RTC's comparator is ahead of the counter by the driver's comparison; interrupts that were skipped are lost",
    {{"comparator", sim::OperandType::kUnsigned},
     {"delta", sim::OperandType::kUnsigned},
     {"lost", sim::OperandType::kUnsigned}}};
inline constexpr sim::RecordKind kRtcInterruptRecord{
    554,
    "linux",
    "rtc_interrupt",
    "irq",
    sim::TimelineShape::kInstant,
    {},
    "the RTC's clients are told, once for all that is due",
    {{"periodic", sim::OperandType::kBool}, {"alarm", sim::OperandType::kBool}, {"update", sim::OperandType::kBool}}};

inline constexpr std::array kRtcRecordKinds{kRtcMaskRecord, kRtcProgramRecord, kRtcInterruptRecord};

}  // namespace ticklab::linux_
