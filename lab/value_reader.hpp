// Declared parameters read from a document: types, ranges, units, CPUs, timers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/json_source.hpp"
#include "ticklab/lab/scenario.hpp"

namespace ticklab::lab {

/// Gives a timer's name its index.
class TimerNames {
public:
    virtual ~TimerNames() = default;
    virtual sim::TimerIndex index_of(const std::string& name) = 0;
};

/// What the reading of a value depends on beside its declaration.
struct ReadContext {
    sim::CpuId cpu_count = 0;
    /// The moment that "+5ms" counts from; without it such a value stays a Duration.
    std::optional<sim::Time> moment;
    TimerNames* timers = nullptr;
};

/// Reads values out of one document and adds what is wrong to one list.
class ValueReader {
public:
    ValueReader(const JsonSource& source, std::vector<InputError>& errors) : source_(source), errors_(errors) {}

    const JsonSource& source() const { return source_; }
    /// Adds "found X, expected Y" about the value at `pointer`; no more than kMaxInputErrors.
    void refuse(const std::string& pointer, std::string_view found, std::string_view expected,
                std::string_view nearest = {});

    std::optional<sim::Value> value(const nlohmann::json& given, const std::string& pointer,
                                    const sim::ParameterDecl& parameter, const ReadContext& context);
    /// The members of `object` in the order of `parameters`, with defaults.
    std::vector<std::optional<sim::Value>> arguments(const nlohmann::json& object, const std::string& pointer,
                                                     std::span<const sim::ParameterDecl> parameters,
                                                     const ReadContext& context);

    std::optional<sim::Duration> duration(const nlohmann::json& given, const std::string& pointer);
    /// An instant since boot.
    std::optional<sim::Time> instant(const nlohmann::json& given, const std::string& pointer);
    std::optional<sim::CpuId> cpu(const nlohmann::json& given, const std::string& pointer, sim::CpuId cpu_count);

private:
    std::optional<sim::Value> time(const nlohmann::json& given, const std::string& pointer, const ReadContext& context);

    const JsonSource& source_;
    std::vector<InputError>& errors_;
};

}  // namespace ticklab::lab
