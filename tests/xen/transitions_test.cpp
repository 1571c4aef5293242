// XT 2.2: every transition of a timer's life, and XT 2.3: everything that is refused.
#include "xen/xen_fixture.hpp"

using namespace ticklab;
using namespace ticklab::xen;
using namespace ticklab::xen::testing;

namespace {

constexpr std::int64_t kFar = 10'000'000;
constexpr std::int64_t kFarther = 20'000'000;

// Status, membership and owner of a timer, all at once.
void check_is(Bench& b, sim::TimerIndex i, TimerStatus status, CpuId owner) {
    const Timer& t = b.timer(i);
    CAPTURE(i);
    CHECK(status_name(t.status) == status_name(status));
    CHECK(t.cpu.peek() == owner);
    CHECK((t.heap_index != 0) == (status == TimerStatus::kInHeap));
    CHECK(t.list_hook.is_linked() == (status == TimerStatus::kInList));
    CHECK(t.inactive_hook.is_linked() == (status == TimerStatus::kInactive));
    if (status == TimerStatus::kKilled || status == TimerStatus::kInvalid)
        return;
    bool found = false;
    const TimerBase& base = b.base(owner);
    for (std::uint32_t n = 1; n <= base.heap.size(); ++n)
        found = found || &base.heap.at(n) == &t;
    for (const Timer& x : base.list)
        found = found || &x == &t;
    for (const Timer& x : base.inactive)
        found = found || &x == &t;
    CHECK(found);
}

// CPU 1 with a heap of 15 slots: timer 0 is the group of its deadline (on the list), timer 1 waits in the heap.
void settle_list_and_heap(Bench& b) {
    b.on(1, kBoot + 10us, [&b](Cpu& cpu) {
        b.set(cpu, 0, kFar);
        b.set(cpu, 1, kFarther);
    });
    b.run(kBoot + 50us);
    check_is(b, 0, TimerStatus::kInList, 1);
    check_is(b, 1, TimerStatus::kInHeap, 1);
    REQUIRE_FALSE(b.base(1).overflow.peek());
}

std::string verdict_of(const std::function<void(Bench&, Cpu&)>& act) {
    Bench b;
    settle_list_and_heap(b);
    b.on(0, kBoot + 60us, [&](Cpu& cpu) { act(b, cpu); });
    return b.run_to_verdict(kBoot + 30ms);
}

}  // namespace

TEST_CASE("T1: init makes new memory, and a killed timer, inactive on the CPU it names") {
    Bench b;
    b.on(0, kBoot + 10us, [&](Cpu&) { check_is(b, 0, TimerStatus::kInvalid, sim::kNoCpu); });
    b.on(0, kBoot + 20us, [&](Cpu& cpu) {
        b.init(cpu, 0, 1);
        check_is(b, 0, TimerStatus::kInactive, 1);
        b.kill(cpu, 0);
        b.init(cpu, 0, 0);
        check_is(b, 0, TimerStatus::kInactive, 0);
    });
    b.run(kBoot + 1ms);
    CHECK(b.timers().live_timers() == 1);
}

TEST_CASE("T2, T4, T5: set puts a timer in a heap that has room, stop makes it inactive from heap and list") {
    Bench b;
    settle_list_and_heap(b);
    b.on(0, kBoot + 60us, [&](Cpu& cpu) {
        b.init(cpu, 2, 1);
        b.set(cpu, 2, kFarther + 1);
        check_is(b, 2, TimerStatus::kInHeap, 1);
        b.stop(cpu, 2);
        check_is(b, 2, TimerStatus::kInactive, 1);
        b.stop(cpu, 0);
        check_is(b, 0, TimerStatus::kInactive, 1);
        b.stop(cpu, 0);
        check_is(b, 0, TimerStatus::kInactive, 1);
    });
    b.run(kBoot + 1ms);
    check_is(b, 1, TimerStatus::kInList, 1);
}

TEST_CASE("T3, T8, T10: a full heap sends a timer to the list, the pass grows the heap, takes it back and groups it") {
    Bench b;
    b.on(1, kBoot + 10us, [&](Cpu& cpu) {
        b.set(cpu, 0, kFar);
        check_is(b, 0, TimerStatus::kInList, 1);
        CHECK(b.base(1).overflow.peek());
        CHECK(b.base(1).heap.on_shared_array());
    });
    b.run(kBoot + 50us);
    std::vector<std::uint16_t> kinds;
    for (const auto& r : b.all_records())
        if (r.kind >= kHeapInsertRecord.id && r.kind <= kGroupMemberRecord.id)
            kinds.push_back(r.kind);
    CHECK(kinds == std::vector<std::uint16_t>{kOverflowRecord.id, kHeapGrowthRecord.id, kHeapInsertRecord.id,
                                              kHeapRemoveRecord.id, kGroupMemberRecord.id});
    check_is(b, 0, TimerStatus::kInList, 1);
    CHECK_FALSE(b.base(1).overflow.peek());
    CHECK(b.state("cpu1.timers.heap_limit") == 15);
}

TEST_CASE("T6, T7: a timer expires from the heap and from the list, and is inactive while its callback runs") {
    Bench b;
    settle_list_and_heap(b);
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex i) {
        check_is(b, i, TimerStatus::kInactive, 1);
        CHECK(b.base(1).running.peek() == &b.timer(i));
        CHECK_FALSE(b.timers().active(cpu, b.timer(i)));
    };
    b.on(0, kBoot + 60us, [&](Cpu& cpu) {
        b.init(cpu, 2, 1);
        b.set(cpu, 2, 1000);
        check_is(b, 2, TimerStatus::kInHeap, 1);
    });
    b.run(kBoot + 15ms);
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].timer == 2);
    CHECK(b.firings[1].timer == 0);
    CHECK(b.records(kListRemoveRecord).back().operands[0] == b.timer(0).object);
    CHECK(b.base(1).running.peek() == nullptr);
}

TEST_CASE("T9: when the heap cannot grow, the list keeps what does not fit") {
    Bench b;
    b.machine().arena().fail_next(1);
    b.on(1, kBoot + 10us, [&](Cpu& cpu) { b.set(cpu, 0, kFar); });
    b.run(kBoot + 50us);
    check_is(b, 0, TimerStatus::kInList, 1);
    CHECK(b.base(1).overflow.peek());
    CHECK(b.state("cpu1.timers.growth_failures") == 1);
    CHECK(b.state("cpu1.timers.heap_limit") == 0);
    CHECK(b.state("cpu1.timers.deadline_start") == kFar);
    CHECK(b.state("cpu1.timers.deadline_end") == kFar);
    b.run(kBoot + 15ms);
    REQUIRE(b.firings.size() == 1);
    // The next pass got the memory.
    CHECK(b.state("cpu1.timers.heap_limit") == 15);
}

TEST_CASE("T11: kill unlinks a timer wherever it is") {
    for (const sim::TimerIndex victim : {0u, 1u, 2u}) {
        Bench b;
        settle_list_and_heap(b);
        b.on(0, kBoot + 60us, [&](Cpu& cpu) {
            b.init(cpu, 2, 1);
            b.kill(cpu, victim);
            check_is(b, victim, TimerStatus::kKilled, 1);
        });
        b.run(kBoot + 30ms);
        CHECK(b.timers().live_timers() == 2);
        CHECK(std::none_of(b.firings.begin(), b.firings.end(), [&](const auto& f) { return f.timer == victim; }));
    }
}

TEST_CASE("T12, T13: the drain moves queued timers without a visit to inactive, and inactive ones") {
    Bench b;
    settle_list_and_heap(b);
    b.on(0, kBoot + 60us, [&](Cpu& cpu) { b.init(cpu, 2, 1); });
    b.offline(1, kBoot + 100us);
    b.run(kBoot + 5ms);
    check_is(b, 2, TimerStatus::kInactive, 0);
    CHECK(b.timer(0).cpu.peek() == 0);
    CHECK(b.timer(1).cpu.peek() == 0);
    CHECK(is_queued(b.timer(0).status));
    CHECK(is_queued(b.timer(1).status));
    CHECK(b.records(kTimerDeactivateRecord).empty());
    b.run(kBoot + 25ms);
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[0].cpu == 0);
}

TEST_CASE("T13: migrate moves an inactive timer, and a queued one stays queued with its time") {
    Bench b;
    settle_list_and_heap(b);
    b.on(0, kBoot + 60us, [&](Cpu& cpu) {
        b.init(cpu, 2, 1);
        b.migrate(cpu, 2, 0);
        check_is(b, 2, TimerStatus::kInactive, 0);
        b.migrate(cpu, 1, 0);
        CHECK(is_queued(b.timer(1).status));
        CHECK(b.timer(1).cpu.peek() == 0);
        CHECK(b.timer(1).expires == stime_at(kFarther));
        b.migrate(cpu, 1, 0);
    });
    b.run(kBoot + 30ms);
    REQUIRE(b.firings.size() == 2);
    CHECK(b.firings[1].timer == 1);
    CHECK(b.firings[1].cpu == 0);
}

TEST_CASE("T14: set writes the time of a killed timer and stop does nothing to it") {
    Bench b;
    settle_list_and_heap(b);
    b.on(0, kBoot + 60us, [&](Cpu& cpu) {
        b.kill(cpu, 0);
        b.set(cpu, 0, 70'000);
        check_is(b, 0, TimerStatus::kKilled, 1);
        CHECK(b.timer(0).expires == stime_at(70'000));
        b.stop(cpu, 0);
        check_is(b, 0, TimerStatus::kKilled, 1);
        CHECK_FALSE(b.timers().active(cpu, b.timer(0)));
    });
    b.run(kBoot + 5ms);
    CHECK(b.firings.empty());
    CHECK(b.records(kTimerSetRecord).back().operands[4] == 0);
}

TEST_CASE("what breaks the contract is a verdict (XT 2.3)") {
    struct Row {
        const char* verdict;
        std::function<void(Bench&, Cpu&)> act;
    };
    static Timer stranger;
    const std::vector<Row> rows{
        {"xen.timer.double_init", [](Bench& b, Cpu& cpu) { b.init(cpu, 0, 1); }},
        {"xen.timer.double_init", [](Bench& b, Cpu& cpu) { b.init(cpu, 1, 1); }},
        {"xen.timer.double_init",
         [](Bench& b, Cpu& cpu) {
             b.init(cpu, 2, 0);
             b.init(cpu, 2, 0);
         }},
        {"xen.timer.killed_used",
         [](Bench& b, Cpu& cpu) {
             b.kill(cpu, 0);
             b.kill(cpu, 0);
         }},
        {"xen.timer.killed_used",
         [](Bench& b, Cpu& cpu) {
             b.kill(cpu, 0);
             b.migrate(cpu, 0, 0);
         }},
        {"xen.timer.not_initialised", [](Bench& b, Cpu& cpu) { b.timers().set(cpu, stranger, stime_at(1)); }},
        {"xen.timer.not_initialised", [](Bench& b, Cpu& cpu) { (void)b.timers().active(cpu, stranger); }},
        {"xen.timer.bad_status",
         [](Bench& b, Cpu& cpu) {
             cpu.irq_disable();
             b.base(1).lock.acquire(cpu);
             (void)b.timers().enqueue(cpu, b.base(1), b.timer(0));
         }},
        {"xen.timer.bad_status",
         [](Bench& b, Cpu& cpu) {
             b.init(cpu, 2, 1);
             cpu.irq_disable();
             b.base(1).lock.acquire(cpu);
             (void)b.timers().dequeue(cpu, b.base(1), b.timer(2));
         }},
        {"xen.timer.align_zero",
         [](Bench& b, Cpu& cpu) { (void)b.timers().align_checked(cpu, stime_at(0), StimeSpan{10}); }},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i);
        CHECK(verdict_of(rows[i].act) == rows[i].verdict);
    }
}

TEST_CASE("kill from a timer's own callback, and from an interrupt that nests in it, is a verdict (XT 5.5)") {
    Bench direct;
    direct.on_fired = [&](Cpu& cpu, sim::TimerIndex i) { direct.kill(cpu, i); };
    direct.on(1, kBoot + 10us, [&](Cpu& cpu) { direct.set(cpu, 0, 100'000); });
    CHECK(direct.run_to_verdict(kBoot + 1ms) == "xen.timer.kill_from_callback");

    Bench nested;
    nested.on_fired = [&](Cpu& cpu, sim::TimerIndex) { cpu.spend_time(100us); };
    nested.on(1, kBoot + 10us, [&](Cpu& cpu) { nested.set(cpu, 0, 100'000); });
    nested.in_irq(1, kBoot + 200us, [&](Cpu& cpu) { nested.kill(cpu, 0); });
    CHECK(nested.run_to_verdict(kBoot + 1ms) == "xen.timer.kill_from_callback");
}

TEST_CASE("the timer softirq may not be entered from a callback (XT-D5)") {
    Bench b;
    b.on_fired = [&](Cpu& cpu, sim::TimerIndex) { b.timers().softirq_action(cpu); };
    b.on(1, kBoot + 10us, [&](Cpu& cpu) { b.set(cpu, 0, 100'000); });
    CHECK(b.run_to_verdict(kBoot + 1ms) == "xen.softirq.nested");
}

TEST_CASE("a timer may not be used while init is under way (XT 2.3)") {
    Bench b;
    b.hold(sites::kLockTimerAfterRead, 0, 20us);
    b.on(0, kBoot + 10us, [&](Cpu& cpu) { b.init(cpu, 0, 1); });
    b.on(1, kBoot + 20us, [&](Cpu& cpu) { b.set(cpu, 0, kFar); });
    CHECK(b.run_to_verdict(kBoot + 1ms) == "xen.timer.init_race");
}

TEST_CASE("a CPU that never was up has no base to give timers to (XT 5.1)") {
    for (const bool migrate : {false, true}) {
        Bench b(3);
        b.config.online_at_boot = 2;
        b.on(0, kBoot + 10us, [&](Cpu& cpu) {
            b.init(cpu, 0, migrate ? 0 : 2);
            b.migrate(cpu, 0, 2);
        });
        CHECK(b.run_to_verdict(kBoot + 1ms) == "xen.timer.no_base");
    }
}
