#include "ticklab/lab/value_reader.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "ticklab/lab/schema.hpp"
#include "ticklab/lab/values.hpp"

namespace ticklab::lab {

using nlohmann::json;
using sim::Duration;
using sim::ParameterDecl;
using sim::Time;
using sim::Value;
using sim::ValueType;

void ValueReader::refuse(const std::string& pointer, std::string_view found, std::string_view expected,
                         std::string_view nearest) {
    if (errors_.size() < kMaxInputErrors)
        errors_.push_back(source_.error_at(pointer, found_expected(found, expected, nearest)));
}

std::optional<Duration> ValueReader::duration(const json& given, const std::string& pointer) {
    const Parsed<Duration> parsed = parse_duration(given.get_ref<const std::string&>());
    if (!parsed.value)
        refuse(pointer, shown(given), parsed.expected);
    return parsed.value;
}

std::optional<Time> ValueReader::instant(const json& given, const std::string& pointer) {
    const Parsed<TimeText> parsed = parse_time(given.get_ref<const std::string&>());
    if (!parsed.value || parsed.value->relative) {
        refuse(pointer, shown(given), parsed.value ? R"(a time since boot such as "5ms")" : parsed.expected);
        return std::nullopt;
    }
    return sim::kBoot + parsed.value->span;
}

std::optional<Value> ValueReader::time(const json& given, const std::string& pointer, const ReadContext& context) {
    const Parsed<TimeText> parsed = parse_time(given.get_ref<const std::string&>());
    if (!parsed.value) {
        refuse(pointer, shown(given), parsed.expected);
        return std::nullopt;
    }
    if (!parsed.value->relative)
        return sim::kBoot + parsed.value->span;
    if (!context.moment)
        return parsed.value->span;
    const Time at = sim::saturating_add(*context.moment, parsed.value->span);
    if (at == sim::kNever) {
        refuse(pointer, shown(given), "a time of at most 9223372s since boot (64 bits of picoseconds)");
        return std::nullopt;
    }
    return at;
}

std::optional<sim::CpuId> ValueReader::cpu(const json& given, const std::string& pointer, sim::CpuId cpu_count) {
    const auto number = given.get<std::int64_t>();
    if (number < 0 || number >= static_cast<std::int64_t>(cpu_count)) {
        refuse(pointer, fmt::format("CPU {}", number), fmt::format("a CPU below {} (machine.cpus)", cpu_count));
        return std::nullopt;
    }
    return static_cast<sim::CpuId>(number);
}

std::optional<Value> ValueReader::value(const json& given, const std::string& pointer, const ParameterDecl& parameter,
                                        const ReadContext& context) {
    switch (parameter.type) {
        case ValueType::kInteger: {
            // The schema's bounds are doubles; these are exact.
            const auto number = given.get<std::int64_t>();
            if (number >= parameter.min && number <= parameter.max)
                return number;
            refuse(pointer, given.dump(), fmt::format("an integer from {} to {}", parameter.min, parameter.max));
            return std::nullopt;
        }
        case ValueType::kBool:
            return given.get<bool>();
        case ValueType::kDuration:
            return duration(given, pointer);
        case ValueType::kTime:
            return time(given, pointer, context);
        case ValueType::kCpu: {
            const std::optional<sim::CpuId> number = cpu(given, pointer, context.cpu_count);
            return number ? std::optional<Value>(std::int64_t{*number}) : std::nullopt;
        }
        case ValueType::kTimer:
            if (context.timers == nullptr)
                throw std::logic_error(fmt::format("\"{}\" names a timer where there is none", parameter.name));
            return std::int64_t{context.timers->index_of(given.get_ref<const std::string&>())};
        case ValueType::kWord:
        case ValueType::kText:
            return given.get<std::string>();
    }
    return std::nullopt;
}

std::vector<std::optional<Value>> ValueReader::arguments(const json& object, const std::string& pointer,
                                                         std::span<const ParameterDecl> parameters,
                                                         const ReadContext& context) {
    std::vector<std::optional<Value>> values;
    for (const ParameterDecl& parameter : parameters) {
        const auto member = object.find(parameter.name);
        const std::string at = pointer_to(pointer, parameter.name);
        if (member != object.end())
            values.push_back(value(*member, at, parameter, context));
        else if (!parameter.default_text.empty())
            values.push_back(value(json::parse(default_value(parameter).dump()), at, parameter, context));
        else
            values.emplace_back();
    }
    return values;
}

}  // namespace ticklab::lab
