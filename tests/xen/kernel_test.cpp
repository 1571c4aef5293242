// The plug-in: its declaration, idle, user mode, states, and the net of its own checks (XT 14).
#include <map>
#include <set>

#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

// CPU 1: timers 0 and 1 are the group on the list, 2 and 3 wait in the heap, 4 is inactive.
void settle_in_all_places(Bench& b) {
    b.on(1, kBoot + 10us, [&b](Cpu& cpu) {
        b.set(cpu, 0, 10'000'000);
        b.set(cpu, 1, 10'010'000);
        b.set(cpu, 2, 20'000'000);
        b.set(cpu, 3, 30'000'000);
        b.init(cpu, 4, 1);
    });
    b.run(kBoot + 50us);
    REQUIRE(b.state("cpu1.timers.list") == 2);
    REQUIRE(b.state("cpu1.timers.heap") == 2);
    REQUIRE(b.state("cpu1.timers.inactive") == 1);
}

sim::KernelDecl::Settings defaults() {
    sim::KernelDecl::Settings s;
    s.options.resize(xen_kernel_decl().options.size());
    return s;
}

}  // namespace

TEST_CASE("each invariant has a check that fails when it is broken (XT 14)") {
    struct Row {
        const char* check;
        std::function<void(Bench&)> damage;
    };
    const std::vector<Row> rows{
        {"xen.structure.heap", [](Bench& b) { b.timer(3).expires = stime_at(1); }},
        {"xen.structure.heap", [](Bench& b) { b.timer(3).heap_index = 1; }},
        {"xen.structure.list", [](Bench& b) { b.timer(1).expires = stime_at(9'000'000); }},
        {"xen.structure.membership", [](Bench& b) { b.timer(2).status = TimerStatus::kInactive; }},
        {"xen.structure.membership", [](Bench& b) { b.timer(4).status = TimerStatus::kKilled; }},
        {"xen.structure.membership", [](Bench& b) { b.timer(0).status = TimerStatus::kInvalid; }},
        {"xen.structure.membership", [](Bench& b) { b.timer(4).heap_index = 7; }},
        {"xen.deadline.group", [](Bench& b) { b.timer(1).expires_end = stime_at(10'049'999); }},
        {"xen.deadline.lost", [](Bench& b) { b.base(1).armed_for = kNoDeadline; }},
        {"xen.deadline.lost", [](Bench& b) { b.base(1).armed_for = stime_at(10'050'001); }},
        {"xen.deadline.foreign", [](Bench& b) { b.base(1).published_start = stime_at(10'010'001); }},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i);
        Bench b;
        settle_in_all_places(b);
        REQUIRE_FALSE(check_quiet(b.timers()));
        rows[i].damage(b);
        const std::optional<Broken> broken = check_base(b.timers(), b.base(1));
        REQUIRE(broken);
        CHECK(broken->check->name == rows[i].check);
        // And whoever releases the lock next finds it.
        b.on(0, kBoot + 60us, [&](Cpu& cpu) {
            cpu.irq_disable();
            (void)b.timers().expires_before(cpu, b.timer(4), kStimeMax);
        });
        CHECK(b.run_to_verdict(kBoot + 70us) == rows[i].check);
    }
}

TEST_CASE("timers that are nowhere or run nowhere are found when all is quiet (XT-I6, I8, I11)") {
    Bench b;
    settle_in_all_places(b);
    CHECK(check_drained(b.base(1))->check->name == "xen.drain.left");
    CHECK_FALSE(check_drained(b.base(0)));
    b.base(1).inactive.clear();
    CHECK(check_quiet(b.timers())->check->name == "xen.structure.conservation");

    Bench running;
    settle_in_all_places(running);
    running.on(0, kBoot + 60us, [&](Cpu& cpu) { running.base(1).running.write_once(cpu, &running.timer(4)); });
    CHECK_FALSE(running.run_to_verdict(kBoot + 70us).size());
    CHECK(check_base(running.timers(), running.base(1))->check->name == "xen.structure.running");
}

TEST_CASE("the declaration is coherent: ids, names, words, prices, states") {
    const sim::KernelDecl& decl = xen_kernel_decl();
    CHECK(decl.name == "xen");
    std::set<std::uint16_t> ids;
    for (const sim::RecordKind& k : decl.records) {
        CHECK(k.id >= 256);
        CHECK(k.id <= 511);
        CHECK(ids.insert(k.id).second);
    }
    std::set<std::string_view> names;
    for (const sim::CheckDecl& c : decl.checks)
        CHECK(names.insert(c.name).second);
    for (const sim::Site* s : decl.sites) {
        CHECK(names.insert(s->name()).second);
        CHECK(s->name().starts_with("xen."));
    }
    // Verbs of the core are about a timer; those of its clients have no role, for the timers are the clients' to set.
    std::map<std::string_view, sim::TimerRole> roles;
    for (const sim::VerbDecl& v : decl.verbs) {
        CAPTURE(v.name);
        CHECK(names.insert(v.name).second);
        if (v.role != sim::TimerRole::kNone)
            roles[v.name] = v.role;
        if (v.role != sim::TimerRole::kNone || v.name.starts_with("timer.")) {
            REQUIRE_FALSE(v.parameters.empty());
            CHECK(v.parameters[0].type == sim::ValueType::kTimer);
        }
    }
    CHECK(names.contains("timer.init"));
    CHECK(roles == std::map<std::string_view, sim::TimerRole>{{"timer.set", sim::TimerRole::kArm},
                                                              {"timer.stop", sim::TimerRole::kCancel},
                                                              {"timer.migrate", sim::TimerRole::kMove},
                                                              {"timer.kill", sim::TimerRole::kSyncCancel}});
    Bench b;
    b.xen.clients.guests = 2;
    b.xen.clients.vcpus = 2;
    for (const sim::StateDecl& s : decl.states) {
        std::string path(s.pattern);
        for (std::size_t star; (star = path.find('*')) != std::string::npos;)
            path.replace(star, 1, "1");
        CAPTURE(path);
        CHECK(b.kernel().state(path));
    }
    for (const char* path : {"cpu2.timers.heap", "cpu1.timers.hea", "cpu1.timers.", "cpu.timers.heap", "heap", "",
                             "cpu1x.timers.heap", "cpu1.timers.groups.65", "cpu1.timers.groups.x"})
        CHECK_FALSE(b.kernel().state(path));
}

TEST_CASE("options have defaults, and words that are not listed are refused with those that are") {
    const XenConfig d = XenConfig::from(defaults());
    CHECK(d.timers.policy == &kVariantV4);
    CHECK(d.timers.slop == 50us);
    CHECK(d.timers.heap_growth_factor == 16);
    CHECK(d.tick_source == TickSource::kOneShot);
    CHECK(d.hotplug.irq_window == 1ms);

    // The default texts say the same.
    sim::KernelDecl::Settings s = defaults();
    s.options[option("variant")] = std::string("VR");
    s.options[option("timer_slop")] = sim::Duration{20us};
    s.options[option("tick_source")] = std::string("tsc-deadline");
    s.options[option("heap_growth_factor")] = std::int64_t{2};
    s.options[option("heap_limit_max")] = std::int64_t{7};
    s.options[option("pass_budget")] = std::int64_t{9};
    s.options[option("park_offline_cpus")] = true;
    s.options[option("offline_irq_window")] = sim::Duration{5us};
    s.options[option("check_structures")] = std::string("always");
    const XenConfig c = XenConfig::from(s);
    CHECK(c.timers.policy == &kVariantVR);
    CHECK(c.timers.slop == 20us);
    CHECK(c.tick_source == TickSource::kTscDeadline);
    CHECK(c.timers.heap_growth_factor == 2);
    CHECK(c.timers.heap_limit_max == 7);
    CHECK(c.timers.pass_budget == 9);
    CHECK(c.hotplug.park);
    CHECK(c.hotplug.irq_window == 5us);
    CHECK(c.timers.check_effort == CheckEffort::kAlways);

    s.options[option("variant")] = std::string("V5");
    CHECK_THROWS_WITH(XenConfig::from(s), R"(kernel.variant is "V5", expected "V0", "VR", "V1", "V2", "V3", "V4")");
    s.options[option("variant")] = std::string("V2");
    s.options[option("tick_source")] = std::string("pit");
    CHECK_THROWS_WITH(XenConfig::from(s), "kernel.tick_source is \"pit\", expected \"one-shot\", \"tsc-deadline\"");
}

TEST_CASE("TSC-deadline mode wants a machine that has it") {
    Bench b;
    b.config.tsc_deadline_timer = false;
    b.xen.tick_source = TickSource::kTscDeadline;
    CHECK_THROWS_AS(b.machine(), std::invalid_argument);
}

TEST_CASE("visit shows each timer once, where it is") {
    struct Visitor final : sim::StructureVisitor {
        std::map<sim::TimerIndex, std::pair<std::string, CpuId>> seen;
        std::map<std::string, std::int64_t> values;
        void timer(CpuId owner, sim::TimerIndex timer, std::string_view where, std::uint64_t, std::int64_t) override {
            CHECK(seen.emplace(timer, std::pair{std::string(where), owner}).second);
        }
        void value(CpuId cpu, std::string_view name, std::int64_t value) override {
            if (cpu == 1)
                values[std::string(name)] = value;
        }
    } v;
    Bench b;
    settle_in_all_places(b);
    b.kernel().visit(v);
    CHECK(v.seen.size() == 5);
    CHECK(v.seen[1] == std::pair<std::string, CpuId>{"list", 1});
    CHECK(v.seen[3] == std::pair<std::string, CpuId>{"heap", 1});
    CHECK(v.seen[4] == std::pair<std::string, CpuId>{"inactive", 1});
    CHECK(v.values["deadline_start"] == 10'010'000);
}

TEST_CASE("idle goes as deep as the sleep is long, and not where the local APIC timer stops (XT 9)") {
    for (const bool arat : {true, false}) {
        Bench b;
        b.config.arat = arat;
        // Nothing would wake the CPU in the timer's stead.
        b.config.hpet_fsb_timers = 0;
        b.config.hpet_legacy = false;
        b.config.c_states.push_back({"C6", 1us, 20us, 100us, 50, true});
        b.on(1, kBoot + 10us, [&](Cpu& cpu) {
            b.set(cpu, 0, 80'000);
            b.set(cpu, 1, 5'000'000);
        });
        b.run(kBoot + 50us);
        // Deep only before there was a deadline.
        CHECK(b.machine().cpu(1).counters().residency[1] < 10us);
        b.run(kBoot + 6ms);
        CHECK((b.machine().cpu(1).counters().residency[1] > 4ms) == arat);
        CHECK(b.firings.size() == 2);
    }
}

TEST_CASE("an interrupt on the way to user mode does not leave its softirq behind") {
    // CPU 1 returns to user mode at some instant; a timer of its own is set from CPU 0 at each instant around it.
    for (std::int64_t delay = 0; delay < 1500; delay += 3) {
        Bench b;
        b.script(kBoot + 1us, [&] { b.machine().set_busy(1, sim::kNever); });
        b.on(0, kBoot + 5us, [&](Cpu& cpu) { b.init(cpu, 0, 1); });
        b.on(1, kBoot + 20us, [](Cpu& cpu) { cpu.spend(sim::Cycles{500}); });
        b.on(0, at_ns(19'500 + delay), [&](Cpu& cpu) { b.set(cpu, 0, 1000); });
        b.run(kBoot + 100us);
        CAPTURE(delay);
        REQUIRE(b.firings.size() == 1);
        REQUIRE(b.firings[0].at < kBoot + 25us);
    }
}
