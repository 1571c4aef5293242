#include "ticklab/lab/operands.hpp"

#include <fmt/format.h>

#include "ticklab/lab/report.hpp"

namespace ticklab::lab {

using sim::Duration;
using sim::OperandType;

std::optional<std::uint64_t> operand_of(const sim::RecordKind& kind, std::span<const std::uint64_t> operands,
                                        sim::OperandType type) {
    for (std::size_t i = 0; i < kind.operand_count; ++i)
        if (kind.operands[i].type == type)
            return operands[i];
    return std::nullopt;
}

sim::Time instant_of(const sim::Record& record) {
    if (const auto at = operand_of(*record.kind, record.operands, OperandType::kTimePs))
        return *at == 0 ? sim::kNever : sim::Time{Duration{static_cast<std::int64_t>(*at)}};
    const auto ns =
        static_cast<std::int64_t>(operand_of(*record.kind, record.operands, OperandType::kTimeNs).value_or(0));
    if (ns == 0 || ns >= sim::ns_floor(sim::kNever))
        return sim::kNever;
    return ns < 0 ? sim::kBoot : sim::Time{sim::Nanoseconds{ns}};
}

std::string operand_text(OperandType type, std::uint64_t value, const sim::RecordStream& names) {
    const auto signed_value = static_cast<std::int64_t>(value);
    switch (type) {
        case OperandType::kUnsigned:
            return fmt::format("{}", value);
        case OperandType::kSigned:
            return fmt::format("{}", signed_value);
        case OperandType::kHex:
        case OperandType::kVector:
            return fmt::format("{:#x}", value);
        case OperandType::kBool:
            return value != 0 ? "yes" : "no";
        case OperandType::kCpu:
            return value >= sim::kNoCpu ? std::string("none") : fmt::format("CPU {}", value);
        case OperandType::kTimePs:
            return show(sim::Time{Duration{signed_value}});
        case OperandType::kDurationPs:
            return show(Duration{signed_value});
        case OperandType::kTimeNs:
            if (const std::int64_t limit = sim::ns_floor(sim::kNever); signed_value > limit || signed_value < -limit)
                return signed_value > 0 ? "never" : "before boot";
            return show(Duration{sim::Nanoseconds{signed_value}});
        case OperandType::kObject:
            if (value == sim::kNoObject)
                return "none";
            [[fallthrough]];
        case OperandType::kName:
            return std::string(names.name(value));
    }
    return {};
}

}  // namespace ticklab::lab
