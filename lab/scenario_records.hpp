// Records of the scenario's own doings, ids 128 to 159: what was asked for and when callbacks ran.
#pragma once

#include <array>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

inline constexpr sim::RecordKind kStepRecord{
    128,
    "scenario",
    "step",
    "scenario",
    sim::TimelineShape::kInstant,
    {},
    "a step of the script is taken",
    {{"index", sim::OperandType::kUnsigned}, {"verb", sim::OperandType::kName}}};
inline constexpr sim::RecordKind kLoadEventRecord{
    129,
    "scenario",
    "load_event",
    "scenario",
    sim::TimelineShape::kInstant,
    {},
    "a load generator acts",
    {{"generator", sim::OperandType::kName}, {"on", sim::OperandType::kCpu}}};
inline constexpr sim::RecordKind kVerbBeginRecord{
    130,
    "scenario",
    "verb_begin",
    "scenario",
    sim::TimelineShape::kSliceBegin,
    "verb",
    "a CPU begins a verb",
    {{"verb", sim::OperandType::kName}, {"subject", sim::OperandType::kObject}}};
inline constexpr sim::RecordKind kVerbEndRecord{
    131,
    "scenario",
    "verb_end",
    "scenario",
    sim::TimelineShape::kSliceEnd,
    "verb",
    "the verb has returned",
    {{"verb", sim::OperandType::kName}, {"subject", sim::OperandType::kObject}, {"done", sim::OperandType::kBool}}};
inline constexpr sim::RecordKind kCallbackBeginRecord{132,
                                                      "scenario",
                                                      "callback_begin",
                                                      "timer",
                                                      sim::TimelineShape::kSliceBegin,
                                                      "callback",
                                                      "the callback of a timer starts",
                                                      {{"timer", sim::OperandType::kObject}}};
inline constexpr sim::RecordKind kCallbackEndRecord{133,
                                                    "scenario",
                                                    "callback_end",
                                                    "timer",
                                                    sim::TimelineShape::kSliceEnd,
                                                    "callback",
                                                    "the callback of a timer is over",
                                                    {{"timer", sim::OperandType::kObject}}};

inline constexpr std::array kScenarioRecordKinds{
    &kStepRecord, &kLoadEventRecord, &kVerbBeginRecord, &kVerbEndRecord, &kCallbackBeginRecord, &kCallbackEndRecord,
};

}  // namespace ticklab::lab
