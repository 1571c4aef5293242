// Records of the interrupt hardware, ids 32 to 63.
//
// A tick of a periodic timer leaves two (event, accept), of a one-shot timer three (arm, event, accept).
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

/// Counter in timelines: where the hardware timer of a CPU stands; in the past, it has had its event.
inline constexpr std::string_view kArmedDeadline = "armed deadline";

inline constexpr RecordKind kApicTimerArm{
    32,
    "sim",
    "apic_timer_arm",
    "hw",
    TimelineShape::kInstant,
    {},
    "the local APIC timer was armed; value is the initial count or the TSC deadline",
    {{"mode", OperandType::kName},
     {"value", OperandType::kUnsigned},
     {"event_at", OperandType::kTimePs, kArmedDeadline}}};

inline constexpr RecordKind kApicTimerStop{
    33,
    "sim",
    "apic_timer_stop",
    "hw",
    TimelineShape::kInstant,
    {},
    "an armed local APIC timer was stopped before its event",
    {{"event_at", OperandType::kTimePs, kArmedDeadline, DrawnAs::kCounterCleared}}};

inline constexpr RecordKind kApicTimerEvent{
    34,
    "sim",
    "apic_timer_event",
    "hw",
    TimelineShape::kInstant,
    {},
    "the local APIC timer reached its event; masked: it is lost",
    {{"mode", OperandType::kName}, {"vector", OperandType::kVector}, {"masked", OperandType::kBool}}};

inline constexpr RecordKind kApicAccept{35,
                                        "sim",
                                        "apic_accept",
                                        "irq",
                                        TimelineShape::kInstant,
                                        {},
                                        "a local APIC accepted a vector into IRR; merged: its bit was set already",
                                        {{"vector", OperandType::kVector}, {"merged", OperandType::kBool}}};

inline constexpr RecordKind kApicLost{36,
                                      "sim",
                                      "apic_lost",
                                      "irq",
                                      TimelineShape::kInstant,
                                      {},
                                      "an interrupt or signal came to nothing",
                                      {{"vector", OperandType::kVector}, {"reason", OperandType::kName}}};

inline constexpr RecordKind kIpiSend{37,
                                     "sim",
                                     "ipi_send",
                                     "irq",
                                     TimelineShape::kInstant,
                                     {},
                                     "a CPU sent an IPI; target is the first CPU it goes to",
                                     {{"target", OperandType::kCpu},
                                      {"target_count", OperandType::kUnsigned},
                                      {"vector", OperandType::kVector},
                                      {"mode", OperandType::kName}}};

inline constexpr RecordKind kApicSignal{38,
                                        "sim",
                                        "apic_signal",
                                        "irq",
                                        TimelineShape::kInstant,
                                        {},
                                        "a CPU received an NMI, SMI, INIT or start-up IPI",
                                        {{"mode", OperandType::kName}, {"vector", OperandType::kVector}}};

inline constexpr RecordKind kApicSpurious{
    39,
    "sim",
    "apic_spurious",
    "irq",
    TimelineShape::kInstant,
    {},
    "a CPU acknowledged an interrupt that was gone and received the spurious vector",
    {{"vector", OperandType::kVector}}};

inline constexpr RecordKind kApicError{40,
                                       "sim",
                                       "apic_error",
                                       "irq",
                                       TimelineShape::kInstant,
                                       {},
                                       "a local APIC noted errors in ESR",
                                       {{"esr", OperandType::kHex}}};

inline constexpr RecordKind kApicState{41,
                                       "sim",
                                       "apic_state",
                                       "hw",
                                       TimelineShape::kInstant,
                                       {},
                                       "a local APIC changed its mode or its software enable",
                                       {{"mode", OperandType::kName}, {"software_enabled", OperandType::kBool}}};

inline constexpr RecordKind kApicTimerFreeze{42,
                                             "sim",
                                             "apic_timer_freeze",
                                             "hw",
                                             TimelineShape::kInstant,
                                             {},
                                             "an armed local APIC timer stopped because its CPU sleeps too deep",
                                             {{"count", OperandType::kUnsigned}, {"event_at", OperandType::kTimePs}}};

inline constexpr RecordKind kApicTimerThaw{43,
                                           "sim",
                                           "apic_timer_thaw",
                                           "hw",
                                           TimelineShape::kInstant,
                                           {},
                                           "a frozen local APIC timer runs again",
                                           {{"event_at", OperandType::kTimePs, kArmedDeadline}}};

inline constexpr RecordKind kApicFaultSet{44,
                                          "sim",
                                          "apic_fault",
                                          "hw",
                                          TimelineShape::kInstant,
                                          {},
                                          "a fault of the interrupt hardware was set",
                                          {{"fault", OperandType::kName}, {"value", OperandType::kSigned}}};

inline constexpr RecordKind kApicFaultHit{45,
                                          "sim",
                                          "apic_fault_hit",
                                          "hw",
                                          TimelineShape::kInstant,
                                          {},
                                          "a fault of the interrupt hardware changed what happened",
                                          {{"fault", OperandType::kName}}};

inline constexpr RecordKind kApicNoTarget{46,
                                          "sim",
                                          "apic_no_target",
                                          "irq",
                                          TimelineShape::kInstant,
                                          {},
                                          "a message matched no local APIC",
                                          {{"destination", OperandType::kHex}, {"vector", OperandType::kVector}}};

inline constexpr RecordKind kIoApicSend{
    47,
    "sim",
    "ioapic_send",
    "irq",
    TimelineShape::kInstant,
    {},
    "an I/O APIC sent the message of a pin",
    {{"pin", OperandType::kUnsigned}, {"vector", OperandType::kVector}, {"level", OperandType::kBool}}};

inline constexpr RecordKind kIoApicLost{48,
                                        "sim",
                                        "ioapic_lost",
                                        "irq",
                                        TimelineShape::kInstant,
                                        {},
                                        "an edge at an I/O APIC pin came to nothing",
                                        {{"pin", OperandType::kUnsigned}, {"reason", OperandType::kName}}};

inline constexpr RecordKind kIoApicEoi{
    49,
    "sim",
    "ioapic_eoi",
    "irq",
    TimelineShape::kInstant,
    {},
    "an I/O APIC received the EOI of a level pin; asserted: the source is not quiet yet",
    {{"pin", OperandType::kUnsigned}, {"vector", OperandType::kVector}, {"asserted", OperandType::kBool}}};

inline constexpr std::array kApicRecordKinds{
    &kApicTimerArm, &kApicTimerStop, &kApicTimerEvent, &kApicAccept, &kApicLost,        &kIpiSend,
    &kApicSignal,   &kApicSpurious,  &kApicError,      &kApicState,  &kApicTimerFreeze, &kApicTimerThaw,
    &kApicFaultSet, &kApicFaultHit,  &kApicNoTarget,   &kIoApicSend, &kIoApicLost,      &kIoApicEoi,
};

}  // namespace ticklab::sim
