// Splits and records in words.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ticklab/lab/why/split.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

/// One part of a lateness, and who it is due to: "callback of b on CPU 2 for 12.3 us".
struct ToldPart {
    LatenessPart part;
    sim::Duration time;
    std::string who;
};

/// Longest first.
std::vector<ToldPart> tell_parts(const LatenessSplit& split, const sim::RecordStream& names);
nlohmann::ordered_json parts_json(const std::vector<ToldPart>& parts);
/// "callbacks 12.3 us, kernel 2.1 us": the largest, at most `count`.
std::string short_parts(const std::vector<ToldPart>& parts, std::size_t count);

/// What a CPU was doing: "callback of b", "interrupt 0xec".
std::string tell_frame(const CpuFrame& frame, const sim::RecordStream& names);
/// The kind's sentence and the operands: "a CPU took an interrupt: vector 0xec".
std::string tell_record(const KeptRecord& record, const sim::RecordStream& names);
/// "CPU 3", or the device or script that emitted it.
std::string tell_place(const KeptRecord& record);

}  // namespace ticklab::lab
