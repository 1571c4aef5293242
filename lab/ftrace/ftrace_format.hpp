// The printk-like text of a trace point, taken apart: what writes and what reads ftrace text go by it (TE 2, TE 3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/sim/record.hpp"
#include "ticklab/sim/record_stream.hpp"

namespace ticklab::lab {

enum class FtraceConversion : std::uint8_t {
    kPointer,  ///< %p: an address
    kText,     ///< %s, and %ps: the name of a symbol
    kDecimal,  ///< %d, %u and their long forms
    kHex,      ///< %x, without 0x
};

/// One value: "cpu=%d".
struct FtraceField {
    std::string_view before;  ///< everything between the value before and this one, such as " cpu="
    std::string_view key;     ///< "cpu"
    FtraceConversion conversion;
};

struct FtraceFormat {
    std::vector<FtraceField> fields;
    std::string_view after;  ///< what follows the last value

    /// Throws std::invalid_argument for a conversion that no trace point of the vocabulary has. The parts point into
    /// `format`.
    static FtraceFormat of(std::string_view format);
};

/// How an object is shown.
enum class FtraceObjects : std::uint8_t {
    kAddresses,  ///< its number as an address, 0 for none
    kNames,      ///< its name, "-" for none
};

/// A value as the trace point prints it.
std::string ftrace_value(const FtraceField& field, const sim::Operand& operand, std::uint64_t word,
                         const sim::RecordStream& names, FtraceObjects objects);

/// The whole text of a record of `kind`.
std::string ftrace_text(const FtraceFormat& format, const sim::RecordKind& kind,
                        std::span<const std::uint64_t> operands, const sim::RecordStream& names, FtraceObjects objects);

}  // namespace ticklab::lab
