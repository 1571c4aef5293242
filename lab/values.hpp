// Values as they are written in scenario files: durations, rates, CPU lists, probabilities, distributions.
//
// Rules
//  - Every conversion is exact, by decimal arithmetic on the text: a value that is no whole number of the unit in which
//    it is kept is refused, not rounded. Overflow is detected.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/scenario.hpp"
#include "ticklab/sim/time.hpp"

namespace ticklab::lab {

/// A value, or what was expected in its place.
template <class T>
struct Parsed {
    std::optional<T> value;
    std::string expected;
};

/// An instant since boot, or a span from a moment that the reader knows.
struct TimeText {
    sim::Duration span;
    bool relative;
};

/// "250us", "1.5ms", "0s": not negative; units ps, ns, us, ms, s.
Parsed<sim::Duration> parse_duration(std::string_view text);
/// "5ms" since boot, or "+5ms" from a moment.
Parsed<TimeText> parse_time(std::string_view text);
/// "20k/s" in events per 1000 seconds; prefixes k, M, G; per s, ms or us. At least one event per 1000 seconds.
Parsed<std::int64_t> parse_rate(std::string_view text);
/// 0.9, "0.9" or "90%" in parts per million.
Parsed<std::int64_t> parse_probability(const nlohmann::json& value);
/// "0-7,9" or 3: in ascending order, each below `cpu_count`, none twice.
Parsed<std::vector<sim::CpuId>> parse_cpu_list(const nlohmann::json& value, sim::CpuId cpu_count);
/// "5ms", {"exp": "5ms"} or {"uniform": ["1us", "5us"]}.
Parsed<Distribution> parse_distribution(const nlohmann::json& value);

/// A span as parse_duration reads it, in the largest unit that leaves no fraction.
std::string duration_text(sim::Duration d);

}  // namespace ticklab::lab
