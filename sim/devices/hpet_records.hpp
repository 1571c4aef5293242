// Records of the clock hardware, ids 64 to 95: HPET from 64, TSC from 80.
//
// A match leaves one record (hpet_match), and one more where it raises a level line (hpet_line).
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

inline constexpr RecordKind kHpetMatch{
    64,
    "sim",
    "hpet_match",
    "hw",
    TimelineShape::kInstant,
    {},
    "an HPET comparator matched; delivery says what came of it, next is the comparator after the match",
    {{"timer", OperandType::kUnsigned},
     {"counter", OperandType::kUnsigned},
     {"comparator", OperandType::kUnsigned},
     {"next", OperandType::kUnsigned},
     {"delivery", OperandType::kName}}};

inline constexpr RecordKind kHpetWrite{65,
                                       "sim",
                                       "hpet_write",
                                       "hw",
                                       TimelineShape::kInstant,
                                       {},
                                       "a register of the HPET was written",
                                       {{"offset", OperandType::kHex},
                                        {"bytes", OperandType::kUnsigned},
                                        {"value", OperandType::kHex},
                                        {"counter", OperandType::kUnsigned}}};

inline constexpr RecordKind kHpetDiagnostic{
    66,
    "sim",
    "hpet_diagnostic",
    "hw",
    TimelineShape::kInstant,
    {},
    "an HPET register was used in a way that the specification leaves undefined",
    {{"what", OperandType::kName},
     {"offset", OperandType::kHex},
     {"bytes", OperandType::kUnsigned},
     {"value", OperandType::kHex}}};

inline constexpr RecordKind kHpetLine{
    67,
    "sim",
    "hpet_line",
    "irq",
    TimelineShape::kInstant,
    {},
    "a level interrupt line of the HPET changed",
    {{"timer", OperandType::kUnsigned}, {"pin", OperandType::kUnsigned}, {"asserted", OperandType::kBool}}};

inline constexpr RecordKind kHpetReset{68,
                                       "sim",
                                       "hpet_reset",
                                       "hw",
                                       TimelineShape::kInstant,
                                       {},
                                       "the HPET was reset",
                                       {{"counter", OperandType::kUnsigned}}};

inline constexpr RecordKind kHpetFaultSet{69,
                                          "sim",
                                          "hpet_fault",
                                          "hw",
                                          TimelineShape::kInstant,
                                          {},
                                          "a fault of the HPET was set",
                                          {{"fault", OperandType::kName}, {"value", OperandType::kSigned}}};

inline constexpr RecordKind kTscWrite{80,
                                      "sim",
                                      "tsc_write",
                                      "hw",
                                      TimelineShape::kInstant,
                                      {},
                                      "a CPU wrote its TSC or TSC_ADJUST",
                                      {{"msr", OperandType::kHex},
                                       {"value", OperandType::kUnsigned},
                                       {"tsc", OperandType::kUnsigned},
                                       {"adjust", OperandType::kSigned}}};

inline constexpr RecordKind kTscRate{
    81,
    "sim",
    "tsc_rate",
    "hw",
    TimelineShape::kInstant,
    {},
    "a CPU's TSC changed its rate",
    {{"hz", OperandType::kUnsigned}, {"drift_ppm", OperandType::kSigned}, {"tsc", OperandType::kUnsigned}}};

inline constexpr RecordKind kTscStop{82,
                                     "sim",
                                     "tsc_stop",
                                     "hw",
                                     TimelineShape::kInstant,
                                     {},
                                     "a CPU's TSC stopped because it sleeps too deep",
                                     {{"tsc", OperandType::kUnsigned}}};

inline constexpr RecordKind kTscStart{83,
                                      "sim",
                                      "tsc_start",
                                      "hw",
                                      TimelineShape::kInstant,
                                      {},
                                      "a stopped TSC runs again from the value it had",
                                      {{"tsc", OperandType::kUnsigned}}};

inline constexpr RecordKind kTscReset{84,
                                      "sim",
                                      "tsc_reset",
                                      "hw",
                                      TimelineShape::kInstant,
                                      {},
                                      "a CPU's TSC took its value at reset or hot-add",
                                      {{"tsc", OperandType::kUnsigned}}};

inline constexpr RecordKind kTscFaultSet{85,
                                         "sim",
                                         "tsc_fault",
                                         "hw",
                                         TimelineShape::kInstant,
                                         {},
                                         "a fault of a CPU's TSC was set",
                                         {{"fault", OperandType::kName},
                                          {"value", OperandType::kSigned},
                                          {"tsc", OperandType::kUnsigned},
                                          {"adjust", OperandType::kSigned}}};

inline constexpr std::array kClockRecordKinds{
    &kHpetMatch, &kHpetWrite, &kHpetDiagnostic, &kHpetLine, &kHpetReset, &kHpetFaultSet,
    &kTscWrite,  &kTscRate,   &kTscStop,        &kTscStart, &kTscReset,  &kTscFaultSet,
};

}  // namespace ticklab::sim
