// Operands of records: finding one, and saying it in words.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

/// The first operand of that type; none if the kind has none such.
std::optional<std::uint64_t> operand_of(const sim::RecordKind& kind, std::span<const std::uint64_t> operands,
                                        sim::OperandType type);
/// The first instant that the record names; 0 and none are never.
sim::Time instant_of(const sim::Record& record);
/// "CPU 3", "0xec", "yes", "12.3 us", a name.
std::string operand_text(sim::OperandType type, std::uint64_t value, const sim::RecordStream& names);

}  // namespace ticklab::lab
