#include "ticklab/lab/ftrace/ftrace_format.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace ticklab::lab {

FtraceFormat FtraceFormat::of(std::string_view format) {
    FtraceFormat parts;
    std::size_t begin = 0;
    for (std::size_t percent; (percent = format.find('%', begin)) != std::string_view::npos;) {
        FtraceField field{format.substr(begin, percent - begin), {}, FtraceConversion::kDecimal};
        if (const std::size_t equals = field.before.rfind('='); equals != std::string_view::npos) {
            field.key = field.before.substr(0, equals);
            field.key = field.key.substr(field.key.find_last_of(" [") + 1);
        }
        const std::size_t letter = format.find_first_not_of("0123456789.l", percent + 1);
        const std::string_view rest = letter == std::string_view::npos ? std::string_view() : format.substr(letter);
        begin = letter + 1;
        if (rest.starts_with("ps")) {
            field.conversion = FtraceConversion::kText;
            ++begin;
        } else if (rest.starts_with("p")) {
            field.conversion = FtraceConversion::kPointer;
        } else if (rest.starts_with("s")) {
            field.conversion = FtraceConversion::kText;
        } else if (rest.starts_with("x")) {
            field.conversion = FtraceConversion::kHex;
        } else if (!rest.starts_with("d") && !rest.starts_with("u")) {
            throw std::invalid_argument(
                fmt::format("the trace text \"{}\" has the unknown conversion \"{}\"", format, format.substr(percent)));
        }
        parts.fields.push_back(field);
    }
    parts.after = format.substr(begin);
    return parts;
}

std::string ftrace_value(const FtraceField& field, const sim::Operand& operand, std::uint64_t word,
                         const sim::RecordStream& names, FtraceObjects objects) {
    switch (field.conversion) {
        case FtraceConversion::kPointer:
            if (objects == FtraceObjects::kAddresses)
                return fmt::format("{:016x}", word);
            return word == sim::kNoObject ? "-" : std::string(names.name(word));
        case FtraceConversion::kText:
            return std::string(names.name(word));
        case FtraceConversion::kHex:
            return fmt::format("{:x}", word);
        case FtraceConversion::kDecimal:
            break;
    }
    return operand.type == sim::OperandType::kSigned ? fmt::format("{}", static_cast<std::int64_t>(word))
                                                     : fmt::format("{}", word);
}

std::string ftrace_text(const FtraceFormat& format, const sim::RecordKind& kind,
                        std::span<const std::uint64_t> operands, const sim::RecordStream& names,
                        FtraceObjects objects) {
    std::string text;
    for (std::size_t i = 0; i < format.fields.size(); ++i) {
        text += format.fields[i].before;
        text += ftrace_value(format.fields[i], kind.operands[i], operands[i], names, objects);
    }
    text += format.after;
    return text;
}

}  // namespace ticklab::lab
