// The eras of the timer core (XT 0, 6, 7): what they share and where they differ.
#include <array>
#include <map>

#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

constexpr std::array kAll{&kVariantV0, &kVariantVR, &kVariantV1, &kVariantV2, &kVariantV3, &kVariantV4};

sim::KernelDecl::Settings release(std::string version) {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    s.version = std::move(version);
    return s;
}

/// Sets timers 0, 1, ... with the given ranges, in us, on CPU 1 at 10 us.
void set_ranges(Bench& b, std::vector<std::pair<std::int64_t, std::int64_t>> ranges) {
    b.on(1, kBoot + 10us, [&b, ranges = std::move(ranges)](Cpu& cpu) {
        for (std::size_t i = 0; i < ranges.size(); ++i) {
            b.set(cpu, static_cast<std::int64_t>(i), ranges[i].first * 1000);
            b.timer(static_cast<sim::TimerIndex>(i)).expires_end = stime_at(ranges[i].second * 1000);
        }
    });
}

}  // namespace

TEST_CASE("a release has the timer core of its time (XT 0)") {
    const std::map<std::string, std::string_view> eras{{"3.3", "V0"}, {"3.4", "V2"}, {"4.0", "V2"},  {"4.1", "V3"},
                                                       {"4.4", "V3"}, {"4.5", "V4"}, {"4.20", "V4"}, {"", "V4"}};
    for (const auto& row : eras) {
        CAPTURE(row.first);
        CHECK(XenConfig::from(release(row.first)).timers.policy->name == row.second);
    }
}

TEST_CASE("the fixes between eras select the neighbour, and the option any (XT 0, XEN-11, XEN-13, XEN-14)") {
    struct Row {
        const char* version;
        std::vector<std::string> without, with;
        const char* era;
    };
    const std::vector<Row> rows{
        {"4.0", {"XEN-11"}, {}, "V1"},  {"4.20", {"XEN-13"}, {}, "V3"}, {"4.1", {}, {"XEN-13"}, "V4"},
        {"4.20", {"XEN-14"}, {}, "V0"}, {"3.3", {}, {"XEN-14"}, "V1"},  {"3.3", {}, {"XEN-14", "XEN-11"}, "V2"},
        {"4.20", {"XEN-11"}, {}, "V4"},
    };
    for (const Row& row : rows) {
        sim::KernelDecl::Settings s = release(row.version);
        s.without = row.without;
        s.with = row.with;
        CHECK(XenConfig::from(s).timers.policy->name == row.era);
    }
    for (const std::string_view name : kVariantNames) {
        sim::KernelDecl::Settings s = release("4.20");
        s.options[option("variant")] = std::string(name);
        CHECK(XenConfig::from(s).timers.policy->name == name);
    }
}

TEST_CASE("the example of 2008: three of four ranges have points in common (XT 7.2, 7.3)") {
    struct Row {
        const VariantPolicy* variant;
        std::int64_t hardware;
    };
    for (const Row& row : {Row{&kVariantV1, 1'002'000}, Row{&kVariantV2, 1'002'000}, Row{&kVariantVR, 1'002'500}}) {
        Bench b;
        b.xen.timers.policy = row.variant;
        set_ranges(b, {{1000, 1003}, {1001, 1004}, {1002, 1004}, {1004, 1006}});
        b.run(kBoot + 100us);
        CAPTURE(row.variant->name);
        const bool ready = row.variant->group == GroupPlace::kReadyList;
        CHECK(b.state("cpu1.timers.ready") == (ready ? 3 : 0));
        CHECK(b.state("cpu1.timers.list") == (ready ? 0 : 3));
        CHECK(b.state("cpu1.timers.heap") == 1);
        CHECK(b.state("cpu1.timers.deadline_start") == 1'002'000);
        CHECK(b.state("cpu1.timers.deadline_end") == 1'003'000);
        CHECK(b.base(1).armed_for == stime_at(row.hardware));
        b.run(kBoot + 2ms);
        CHECK(b.firings.size() == 4);
    }
}

TEST_CASE("eras with one deadline publish the earliest timer, with the slop of their time (XT 7.4, 7.5)") {
    struct Row {
        const VariantPolicy* variant;
        std::int64_t expires, deadline;
    };
    // The pass is within 2 us of the set, at 10 us.
    for (const Row& row :
         {Row{&kVariantV0, 500'000, 500'000}, Row{&kVariantV3, 500'000, 550'000}, Row{&kVariantV4, 500'000, 500'000}}) {
        Bench b;
        b.xen.timers.policy = row.variant;
        set_ranges(b, {{row.expires / 1000, row.expires / 1000}, {700, 700}});
        b.run(kBoot + 100us);
        CAPTURE(row.variant->name);
        CHECK(b.state("cpu1.timers.deadline_start") == row.deadline);
        CHECK(b.state("cpu1.timers.deadline_end") == row.deadline);
        CHECK(b.state("cpu1.timers.list") + b.state("cpu1.timers.ready") == 0);
        b.run(kBoot + 2ms);
        CHECK(b.firings.size() == 2);
        CHECK(b.state("cpu1.timers.deadline_start") == 0);
    }
    // A timer that is near: V4 waits for slop from now.
    Bench near;
    near.xen.timers.policy = &kVariantV4;
    set_ranges(near, {{30, 30}});
    near.run(kBoot + 2ms);
    REQUIRE(near.firings.size() == 1);
    CHECK(near.firings[0].at > kBoot + 60us);
    CHECK(near.firings[0].at < kBoot + 65us);
}

TEST_CASE("V0 alone runs early, by up to slop (XT 7.5, XT-P1)") {
    for (const VariantPolicy* const variant : kAll) {
        Bench b;
        b.xen.timers.policy = variant;
        set_ranges(b, {{500, 550}, {540, 590}});
        b.run(kBoot + 2ms);
        CAPTURE(variant->name);
        REQUIRE(b.firings.size() == 2);
        const Bench::Firing* const second = b.firings[0].timer == 1 ? &b.firings[0] : &b.firings[1];
        const bool early = variant == &kVariantV0;
        CHECK((second->at < kBoot + 540us) == early);
        CHECK(second->at > kBoot + 490us);
        CHECK(b.state("cpu1.timers.early_callbacks") >= (early ? 1 : 0));
        CHECK((b.state("cpu1.timers.early_callbacks") == 0) == !early);
    }
}

TEST_CASE("V1 spins in softirqs from the start of the range to the end of a timer's own (XT-F1, XEN-11)") {
    for (const VariantPolicy* const variant : {&kVariantV1, &kVariantV2}) {
        Bench b;
        b.xen.timers.policy = variant;
        set_ranges(b, {{500, 550}});
        b.run(kBoot + 2ms);
        REQUIRE(b.firings.size() == 1);
        const bool late = variant == &kVariantV1;
        CHECK((b.firings[0].at > kBoot + 550us) == late);
        CHECK(b.firings[0].at < kBoot + 552us);
        CHECK((b.state("cpu1.timers.reprogram_failures") > 20) == late);
        CHECK((b.state("cpu1.timers.passes_empty") > 20) == late);
    }
}

TEST_CASE("what is due in heap and list runs in the order of the era (XT 6)") {
    for (const VariantPolicy* const variant : kAll) {
        Bench b;
        b.xen.timers.policy = variant;
        b.on(1, kBoot + 10us, [&](Cpu& cpu) { b.set(cpu, 0, 200'000); });
        // Softirqs wait until this work is done; by then both are due, and past the end of their ranges.
        b.on(1, kBoot + 190us, [&](Cpu& cpu) {
            b.set(cpu, 1, 250'000);
            cpu.spend_time(200us);
        });
        b.run(kBoot + 2ms);
        CAPTURE(variant->name);
        REQUIRE(b.firings.size() == 2);
        // In V1 and V2 the older one waits on the list; elsewhere both are in the heap by then.
        CHECK(b.firings[0].timer == (variant->group == GroupPlace::kOverflowList ? 1u : 0u));
        CHECK(b.state("cpu1.timers.callbacks_max") == 2);
    }
}

TEST_CASE("a timer for this very nanosecond waits, but for VR and V0 (XT 6, XT-D3)") {
    Timer t;
    t.expires = stime_at(1000);
    t.expires_end = stime_at(1050);
    const auto due = [&](const VariantPolicy& v, std::int64_t now) { return v.due(t, stime_at(now), StimeSpan{50}); };
    CHECK(due(kVariantVR, 1000));
    CHECK_FALSE(due(kVariantVR, 999));
    for (const VariantPolicy* const v : {&kVariantV2, &kVariantV3, &kVariantV4}) {
        CHECK_FALSE(due(*v, 1000));
        CHECK(due(*v, 1001));
    }
    CHECK_FALSE(due(kVariantV0, 950));
    CHECK(due(kVariantV0, 951));
    CHECK_FALSE(due(kVariantV1, 1050));
    CHECK(due(kVariantV1, 1051));
}

namespace {

struct Outcome {
    std::int64_t early = 0, passes = 0, failures = 0;
    sim::Duration late_max{};
};

// A CPU on which a timer is set every 30 us, for 2 to 400 us ahead; interrupts and hardware are as good as exact.
Outcome workload(const VariantPolicy& variant) {
    Bench b(1);
    b.xen.timers.policy = &variant;
    b.xen.timers.check_effort = CheckEffort::kAmortised;
    b.config.apic_bus_hz = 1'000'000'000;
    std::vector<std::int64_t> expires;
    for (std::uint64_t i = 0; i < 400; ++i) {
        const auto set_at = static_cast<std::int64_t>(100'000 + i * 30'000);
        expires.push_back(set_at + 2'000 + static_cast<std::int64_t>(sim::mix(7, i) % 400'000));
        b.on(0, at_ns(set_at), [&b, &expires, i](Cpu& cpu) { b.set(cpu, static_cast<std::int64_t>(i), expires[i]); });
    }
    b.run(kBoot + 14ms);
    CHECK(b.firings.size() == expires.size());
    Outcome o;
    for (const Bench::Firing& f : b.firings)
        o.late_max = std::max(o.late_max, f.at - at_ns(expires[f.timer]));
    o.early = b.state("cpu0.timers.early_callbacks");
    o.passes = b.state("cpu0.timers.passes");
    o.failures = b.state("cpu0.timers.reprogram_failures");
    return o;
}

}  // namespace

TEST_CASE("on one workload the eras differ as promised: early, late and passes (XT 15, 18.9, 18.13)") {
    std::map<std::string_view, Outcome> of;
    for (const VariantPolicy* const variant : kAll)
        of[variant->name] = workload(*variant);
    for (const auto& row : of) {
        const std::string_view name = row.first;
        const Outcome& o = row.second;
        CAPTURE(name);
        CHECK((o.early > 0) == (name == "V0"));
        CHECK(o.late_max < 55us);
    }
    for (const char* const name : {"V2", "V3", "V4"})
        CHECK(of[name].late_max > 45us);
    CHECK(of["V1"].late_max > 50us);
    CHECK(of["V0"].late_max < 5us);
    CHECK(of["V1"].passes > 4 * of["V2"].passes);
    CHECK(of["V2"].passes > of["V4"].passes);
    CHECK(of["V4"].passes > of["V3"].passes);
    CHECK(2 * of["V1"].failures > of["V1"].passes);
}
