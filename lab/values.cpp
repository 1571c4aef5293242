#include "ticklab/lab/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace ticklab::lab {
namespace {

using sim::CpuId;
using sim::Duration;
using sim::Int128;

constexpr std::size_t kMaxDigits = 30;

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr std::array<Unit, 5> kTimeUnits{
    {{"ps", 1}, {"ns", 1'000}, {"us", 1'000'000}, {"ms", 1'000'000'000}, {"s", 1'000'000'000'000}}};
/// To events per 1000 seconds.
constexpr std::array<Unit, 3> kRateUnits{{{"/s", 1'000}, {"/ms", 1'000'000}, {"/us", 1'000'000'000}}};
constexpr std::array<Unit, 4> kPrefixes{{{"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}, {"", 1}}};

/// A decimal number as mantissa / 10^decimals.
struct Decimal {
    Int128 mantissa = 0;
    int decimals = 0;
    std::string_view rest;  ///< what follows it
};

/// "12.50" at the start of `text`, digits on both sides of a point. Nothing if there is none or it is too long.
std::optional<Decimal> parse_decimal(std::string_view text) {
    Decimal d;
    std::size_t i = 0, digits = 0;
    bool point = false;
    for (; i < text.size(); ++i) {
        if (text[i] == '.' && !point && i > 0) {
            point = true;
        } else if (text[i] >= '0' && text[i] <= '9') {
            d.mantissa = d.mantissa * 10 + (text[i] - '0');
            d.decimals += point ? 1 : 0;
            if (++digits > kMaxDigits)
                return std::nullopt;
        } else {
            break;
        }
    }
    if (digits == 0 || text[i - 1] == '.')
        return std::nullopt;
    d.rest = text.substr(i);
    return d;
}

/// d * factor as an integer. `fraction` is set if it is none; nothing also if it exceeds 64 bits.
std::optional<std::int64_t> scaled(const Decimal& d, std::int64_t factor, bool& fraction) {
    Int128 divisor = 1;
    for (int i = 0; i < d.decimals; ++i)
        divisor *= 10;
    // Keeps the product within 128 bits: the factor's share of the divisor is a power of ten as well.
    while (divisor > 1 && factor % 10 == 0) {
        divisor /= 10;
        factor /= 10;
    }
    if (d.mantissa % divisor != 0) {
        fraction = true;
        return std::nullopt;
    }
    const Int128 whole = d.mantissa / divisor;
    if (whole > INT64_MAX / factor)
        return std::nullopt;
    return static_cast<std::int64_t>(whole) * factor;
}

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
    const auto it = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
    return it == units.end() ? nullptr : &*it;
}

template <class T>
Parsed<T> expected(std::string text) {
    return {std::nullopt, std::move(text)};
}

constexpr std::string_view kDurationForm = R"(a duration such as "250us" (units ps, ns, us, ms, s))";

}  // namespace

Parsed<Duration> parse_duration(std::string_view text) {
    if (text.starts_with('-'))
        return expected<Duration>("a duration that is not negative");
    const std::optional<Decimal> number = parse_decimal(text);
    const Unit* const unit = number ? find_unit(kTimeUnits, number->rest) : nullptr;
    if (unit == nullptr)
        return expected<Duration>(std::string(kDurationForm));
    bool fraction = false;
    const std::optional<std::int64_t> ps = scaled(*number, unit->factor, fraction);
    if (fraction)
        return expected<Duration>("a whole number of picoseconds");
    if (!ps)
        return expected<Duration>("a duration of at most 9223372s (64 bits of picoseconds)");
    return {Duration{*ps}, {}};
}

Parsed<TimeText> parse_time(std::string_view text) {
    const bool relative = text.starts_with('+');
    if (text.starts_with('-'))
        return expected<TimeText>("a time that is not negative");
    const Parsed<Duration> span = parse_duration(relative ? text.substr(1) : text);
    if (span.value)
        return {TimeText{*span.value, relative}, {}};
    if (span.expected == kDurationForm)
        return expected<TimeText>(R"(a time such as "5ms", or "+5ms" from the moment of the step)");
    return expected<TimeText>(span.expected);
}

Parsed<std::int64_t> parse_rate(std::string_view text) {
    const std::optional<Decimal> number = parse_decimal(text);
    const std::size_t slash = number ? number->rest.find('/') : std::string_view::npos;
    const Unit* const prefix =
        slash == std::string_view::npos ? nullptr : find_unit(kPrefixes, number->rest.substr(0, slash));
    const Unit* const unit =
        slash == std::string_view::npos ? nullptr : find_unit(kRateUnits, number->rest.substr(slash));
    if (prefix == nullptr || unit == nullptr)
        return expected<std::int64_t>(R"(a rate such as "20k/s" (k, M, G; per s, ms, us))");
    bool fraction = false;
    const std::optional<std::int64_t> rate = scaled(*number, prefix->factor * unit->factor, fraction);
    if (fraction)
        return expected<std::int64_t>("a whole number of events per 1000 seconds");
    if (!rate || *rate > 1'000'000'000'000'000)
        return expected<std::int64_t>(R"(a rate of at most "1000G/s")");
    if (*rate == 0)
        return expected<std::int64_t>("a rate above 0");
    return {*rate, {}};
}

Parsed<std::int64_t> parse_probability(const nlohmann::json& value) {
    constexpr std::int64_t kMillion = 1'000'000;
    const auto refuse = [] { return expected<std::int64_t>(R"(a probability from 0 to 1, or "0%" to "100%")"); };
    std::string text;
    if (value.is_string()) {
        text = value.get_ref<const std::string&>();
    } else if (value.is_number_integer()) {
        text = std::to_string(value.get<std::int64_t>());
    } else if (value.is_number_float()) {
        // The shortest decimal that reads as this double is the one in the file, up to 15 digits.
        std::array<char, 400> buffer{};
        const std::to_chars_result end =
            std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.get<double>(), std::chars_format::fixed);
        text.assign(buffer.data(), end.ptr);
    } else {
        return refuse();
    }
    const std::optional<Decimal> number = parse_decimal(text);
    if (!number || (!number->rest.empty() && number->rest != "%"))
        return refuse();
    bool fraction = false;
    const std::optional<std::int64_t> ppm = scaled(*number, number->rest == "%" ? kMillion / 100 : kMillion, fraction);
    if (fraction)
        return expected<std::int64_t>("a probability in whole parts per million");
    if (!ppm || *ppm > kMillion)
        return refuse();
    return {*ppm, {}};
}

Parsed<std::vector<CpuId>> parse_cpu_list(const nlohmann::json& value, CpuId cpu_count) {
    using Cpus = std::vector<CpuId>;
    const std::string text = value.is_string()           ? value.get<std::string>()
                             : value.is_number_integer() ? std::to_string(value.get<std::int64_t>())
                                                         : std::string();
    const auto refuse = [] { return expected<Cpus>(R"(a list of CPUs such as "0-7,9")"); };
    std::vector<bool> named(cpu_count);
    const char* at = text.data();
    const char* const end = at + text.size();
    while (true) {
        std::uint32_t first = 0, last = 0;
        std::from_chars_result read = std::from_chars(at, end, first);
        if (read.ec == std::errc::invalid_argument)
            return refuse();
        bool too_large = read.ec == std::errc::result_out_of_range;
        last = first;
        if (read.ptr != end && *read.ptr == '-') {
            read = std::from_chars(read.ptr + 1, end, last);
            if (read.ec == std::errc::invalid_argument)
                return refuse();
            too_large = too_large || read.ec == std::errc::result_out_of_range;
        }
        if (too_large || last >= cpu_count || first >= cpu_count)
            return expected<Cpus>(fmt::format("CPUs below {} (machine.cpus)", cpu_count));
        if (first > last)
            return expected<Cpus>("ranges with the lower CPU first");
        for (CpuId cpu = first; cpu <= last; ++cpu) {
            if (named[cpu])
                return expected<Cpus>(fmt::format("each CPU once, not CPU {} twice", cpu));
            named[cpu] = true;
        }
        at = read.ptr;
        if (at == end)
            break;
        if (*at++ != ',')
            return refuse();
    }
    Cpus cpus;
    for (CpuId cpu = 0; cpu < cpu_count; ++cpu)
        if (named[cpu])
            cpus.push_back(cpu);
    return {std::move(cpus), {}};
}

Parsed<Distribution> parse_distribution(const nlohmann::json& value) {
    const auto refuse = [] {
        return expected<Distribution>(R"(a duration, {"exp": MEAN} or {"uniform": [LOW, HIGH]})");
    };
    const auto duration = [&](const nlohmann::json& v) {
        return v.is_string() ? parse_duration(v.get_ref<const std::string&>()) : expected<Duration>(refuse().expected);
    };
    if (value.is_string()) {
        const Parsed<Duration> fixed = duration(value);
        if (!fixed.value)
            return expected<Distribution>(fixed.expected);
        return {Distribution{Distribution::Shape::kFixed, *fixed.value, *fixed.value}, {}};
    }
    if (!value.is_object() || value.size() != 1)
        return refuse();
    const auto member = value.begin();
    if (member.key() == "exp") {
        const Parsed<Duration> mean = duration(member.value());
        if (!mean.value)
            return expected<Distribution>(mean.expected);
        if (*mean.value > Duration::max() / 64)
            return expected<Distribution>("a mean of at most 144115s");
        return {Distribution{Distribution::Shape::kExponential, *mean.value, {}}, {}};
    }
    if (member.key() != "uniform" || !member.value().is_array() || member.value().size() != 2)
        return refuse();
    const Parsed<Duration> low = duration(member.value()[0]), high = duration(member.value()[1]);
    if (!low.value || !high.value)
        return expected<Distribution>(low.value ? high.expected : low.expected);
    if (*low.value > *high.value)
        return expected<Distribution>("a uniform distribution with the lower bound first");
    return {Distribution{Distribution::Shape::kUniform, *low.value, *high.value}, {}};
}

std::string duration_text(Duration d) {
    for (std::size_t i = kTimeUnits.size(); i-- > 0;)
        if (d.count() % kTimeUnits[i].factor == 0 && (d.count() != 0 || kTimeUnits[i].name == "s"))
            return fmt::format("{}{}", d.count() / kTimeUnits[i].factor, kTimeUnits[i].name);
    return {};
}

}  // namespace ticklab::lab
