// Values of scenario files (docs/scenario-reference.md, "How values are written"): exact or refused.
#include "ticklab/lab/values.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

using namespace ticklab;
using lab::Distribution;

TEST_CASE("durations are read exactly, down to the picosecond") {
    const struct {
        const char* text;
        std::int64_t ps;
    } table[] = {
        {"0s", 0},
        {"1ps", 1},
        {"250us", 250'000'000},
        {"1.5us", 1'500'000},
        {"0.001ns", 1},
        {"2s", 2'000'000'000'000},
        {"1.000000000001s", 1'000'000'000'001},
        {"1.50000us", 1'500'000},
        {"9223372.036854775807s", INT64_MAX},
        {"9223372036854775807ps", INT64_MAX},
        {"007ms", 7'000'000'000},
    };
    for (const auto& row : table) {
        CAPTURE(row.text);
        const auto parsed = lab::parse_duration(row.text);
        REQUIRE(parsed.value.has_value());
        CHECK(parsed.value->count() == row.ps);
    }
}

TEST_CASE("what is no duration is refused with what was expected") {
    const std::string form = R"(a duration such as "250us" (units ps, ns, us, ms, s))";
    const struct {
        const char* text;
        std::string expected;
    } table[] = {
        {"", form},
        {"5", form},
        {"us", form},
        {"5 us", form},
        {"5US", form},
        {".5us", form},
        {"5.us", form},
        {"1.2.3us", form},
        {"5us ", form},
        {"+5us", form},
        {"0x5us", form},
        {"1e3us", form},
        {"5min", form},
        {"1111111111111111111111111111111s", form},
        {"-5ms", "a duration that is not negative"},
        {"-0ms", "a duration that is not negative"},
        {"0.5ps", "a whole number of picoseconds"},
        {"1.0005ns", "a whole number of picoseconds"},
        {"9223372036854775808ps", "a duration of at most 9223372s (64 bits of picoseconds)"},
        {"9223373s", "a duration of at most 9223372s (64 bits of picoseconds)"},
        {"999999999999999999999999999999s", "a duration of at most 9223372s (64 bits of picoseconds)"},
    };
    for (const auto& row : table) {
        CAPTURE(row.text);
        const auto parsed = lab::parse_duration(row.text);
        CHECK_FALSE(parsed.value.has_value());
        CHECK(parsed.expected == row.expected);
    }
}

TEST_CASE("every duration survives being written and read") {
    CHECK(rc::check([] {
        const auto ps = *rc::gen::inRange<std::int64_t>(0, INT64_MAX);
        const auto shift = *rc::gen::inRange(0, 63);
        const sim::Duration d{ps >> shift};
        RC_ASSERT(lab::parse_duration(lab::duration_text(d)).value == d);
    }));
    CHECK(lab::duration_text(sim::Duration{0}) == "0s");
    CHECK(lab::duration_text(sim::Duration{1'500'000}) == "1500ns");
}

TEST_CASE("times are since boot, or relative with a plus") {
    const auto since_boot = lab::parse_time("5ms"), relative = lab::parse_time("+5ms");
    REQUIRE(since_boot.value.has_value());
    REQUIRE(relative.value.has_value());
    CHECK_FALSE(since_boot.value->relative);
    CHECK(relative.value->relative);
    CHECK(relative.value->span == since_boot.value->span);
    CHECK(lab::parse_time("-1ms").expected == "a time that is not negative");
    CHECK(lab::parse_time("++1ms").expected == R"(a time such as "5ms", or "+5ms" from the moment of the step)");
}

TEST_CASE("rates become events per 1000 seconds") {
    const struct {
        const char* text;
        std::int64_t rate;
    } good[] = {{"1/s", 1'000},
                {"20k/s", 20'000'000},
                {"0.001/s", 1},
                {"1.5M/s", 1'500'000'000},
                {"3/ms", 3'000'000},
                {"2/us", 2'000'000'000},
                {"1G/s", 1'000'000'000'000}};
    for (const auto& row : good) {
        CAPTURE(row.text);
        CHECK(lab::parse_rate(row.text).value == row.rate);
    }
    for (const char* bad :
         {"", "20k", "/s", "k/s", "20K/s", "20k/h", "0/s", "0.0001/s", "-1/s", "9999999999G/us", "1/s "}) {
        CAPTURE(bad);
        CHECK_FALSE(lab::parse_rate(bad).value.has_value());
        CHECK_FALSE(lab::parse_rate(bad).expected.empty());
    }
}

TEST_CASE("probabilities are whole parts per million, and no double decides") {
    using nlohmann::json;
    const struct {
        const char* text;
        std::int64_t ppm;
    } good[] = {{"0", 0},
                {"1", 1'000'000},
                {"0.9", 900'000},
                {"0.1", 100'000},
                {"0.000001", 1},
                {"0.123456", 123'456},
                {"1.0", 1'000'000},
                {"1e-6", 1},
                {"\"90%\"", 900'000},
                {"\"0.9\"", 900'000},
                {"\"0.0001%\"", 1},
                {"0.7", 700'000}};
    for (const auto& row : good) {
        CAPTURE(row.text);
        CHECK(lab::parse_probability(json::parse(row.text)).value == row.ppm);
    }
    for (const char* bad :
         {"1.1", "-0.1", "2", "0.0000001", "1e300", "1e-300", "\"101%\"", "\"x\"", "\"\"", "true", "null", "[]"}) {
        CAPTURE(bad);
        CHECK_FALSE(lab::parse_probability(json::parse(bad)).value.has_value());
    }
    CHECK(rc::check("each decimal of six digits is read as it is written", [] {
        const auto ppm = *rc::gen::inRange(0, 1'000'001);
        std::string digits = std::to_string(ppm % 1'000'000);
        digits.insert(0, 6 - digits.size(), '0');
        const std::string text = std::to_string(ppm / 1'000'000) + "." + digits;
        RC_ASSERT(lab::parse_probability(json::parse(text)).value == ppm);
    }));
}

TEST_CASE("CPU lists name each CPU once") {
    using nlohmann::json;
    using Cpus = std::vector<sim::CpuId>;
    CHECK(lab::parse_cpu_list("0-3,7", 8).value == Cpus{0, 1, 2, 3, 7});
    CHECK(lab::parse_cpu_list("7,0-3", 8).value == Cpus{0, 1, 2, 3, 7});
    CHECK(lab::parse_cpu_list(5, 8).value == Cpus{5});
    const std::string form = R"(a list of CPUs such as "0-7,9")";
    const struct {
        json value;
        std::string expected;
    } bad[] = {
        {"", form},
        {"a", form},
        {"1,", form},
        {",1", form},
        {"1-", form},
        {"1 ,2", form},
        {"-1", form},
        {"1--2", form},
        {"8", "CPUs below 8 (machine.cpus)"},
        {"0-8", "CPUs below 8 (machine.cpus)"},
        {"99999999999", "CPUs below 8 (machine.cpus)"},
        {"0-99999999999", "CPUs below 8 (machine.cpus)"},
        {"3-1", "ranges with the lower CPU first"},
        {"1,1", "each CPU once, not CPU 1 twice"},
        {"0-3,2-4", "each CPU once, not CPU 2 twice"},
        {-1, form},
    };
    for (const auto& row : bad) {
        CAPTURE(row.value);
        CHECK(lab::parse_cpu_list(row.value, 8).expected == row.expected);
    }
}

TEST_CASE("distributions are fixed, uniform or exponential") {
    using nlohmann::json;
    const auto uniform = lab::parse_distribution(json::parse(R"({"uniform": ["1us", "5us"]})")).value;
    REQUIRE(uniform.has_value());
    CHECK(uniform->shape == Distribution::Shape::kUniform);
    CHECK(uniform->low.count() == 1'000'000);
    CHECK(uniform->high.count() == 5'000'000);
    CHECK(lab::parse_distribution(json::parse(R"({"exp": "5ms"})")).value->shape == Distribution::Shape::kExponential);
    CHECK(lab::parse_distribution("5ms").value->shape == Distribution::Shape::kFixed);
    for (const char* bad :
         {R"({"exp": 5})", R"({"uniform": ["5us", "1us"]})", R"({"uniform": ["5us"]})", R"({"normal": "1us"})", R"({})",
          R"(5)", R"({"exp": "1us", "uniform": ["1us", "2us"]})", R"({"exp": "9000000s"})"}) {
        CAPTURE(bad);
        CHECK_FALSE(lab::parse_distribution(json::parse(bad)).value.has_value());
    }
}
