// The order of activities and of accesses (MA 3).
#include <doctest/doctest.h>

#include "sim/machine_fixture.hpp"

using namespace ticklab::sim;
using namespace ticklab::sim::testing;

namespace {

/// Notes the order in which handlers run.
class Note final : public ActivityHandler {
public:
    Note(std::vector<int>& order, int name) : order_(order), name_(name) {}
    void due(Time) override { order_.push_back(name_); }

private:
    std::vector<int>& order_;
    int name_;
};

/// Reverses every tie.
class LastFirst final : public TieBreaker {
public:
    std::uint32_t pick(ActivityClass, std::uint32_t count) override { return count - 1; }
};

std::vector<int> order_of(TieBreaker* breaker) {
    std::vector<int> order;
    Engine engine;
    std::deque<Note> notes;
    // Registered in an order that is not the order of classes.
    const std::array classes{ActivityClass::kScript, ActivityClass::kCpu,     ActivityClass::kDevice,
                             ActivityClass::kCpu,    ActivityClass::kArrival, ActivityClass::kDevice};
    std::vector<SourceIndex> sources;
    for (std::size_t i = 0; i < classes.size(); ++i)
        sources.push_back(engine.add(classes[i], notes.emplace_back(order, static_cast<int>(i))));
    engine.set_tie_breaker(breaker);
    for (std::size_t i = classes.size(); i-- > 0;)
        engine.arm(sources[i], kBoot + 1ns);
    while (engine.earliest().at != kNever) {
        const SourceIndex s = engine.take();
        engine.handler(s).due(engine.now());
    }
    return order;
}

}  // namespace

TEST_CASE("MA 3.4: at one instant devices come before arrivals, CPUs and the script, each by slot number") {
    CHECK(order_of(nullptr) == std::vector<int>{2, 5, 4, 1, 3, 0});
}

TEST_CASE("MA 3.4: a tie breaker orders within a class and never across classes") {
    LastFirst last_first;
    CHECK(order_of(&last_first) == std::vector<int>{5, 2, 4, 3, 1, 0});
}

TEST_CASE("MA 3.3: an activity may go on only if its whole key precedes what is pending") {
    Engine engine;
    std::vector<int> order;
    Note device(order, 0);
    Note cpu(order, 1);
    const SourceIndex d = engine.add(ActivityClass::kDevice, device);
    const SourceIndex c = engine.add(ActivityClass::kCpu, cpu);
    engine.arm(d, kBoot + 10ns);
    CHECK(engine.may_act(Key{kBoot + 9ns, engine.rank(c)}));
    CHECK(!engine.may_act(Key{kBoot + 10ns, engine.rank(c)}));
    CHECK(!engine.may_act(Key{kBoot + 11ns, engine.rank(c)}));
}

TEST_CASE("MA 3.2: accesses to one line are granted in the order of their requests, each after the one before") {
    TestKernel kernel;
    Shared<std::uint64_t> word;
    Machine machine(round_config(4), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    std::vector<CpuId> order;
    std::vector<Time> grants;
    for (CpuId c = 0; c < 4; ++c)
        machine.run_on_thread(c, {}, [&, c](Cpu& cpu) {
            cpu.irq_disable();
            cpu.spend(Cycles{100 - 10 * c});
            word.write_once(cpu, c);
            order.push_back(cpu.id());
            grants.push_back(cpu.local_time());
            cpu.irq_enable();
        });
    machine.run(kBoot + 1ms, kAllSteps);
    CHECK(!machine.verdict());
    CHECK(order == std::vector<CpuId>{3, 2, 1, 0});
    CHECK(word.peek() == 0);
    // Each transfer takes 50 cycles of 1 ns, and no two overlap.
    for (std::size_t i = 1; i < grants.size(); ++i)
        CHECK(grants[i] - grants[i - 1] >= 50ns);
}

TEST_CASE("MA 3.5: IPIs of one vector that arrive before the handler runs collapse to one in IRR and one in ISR") {
    TestKernel kernel;
    int taken = 0;
    kernel.on_interrupt = [&](Cpu&, std::uint8_t vector) { taken += vector == 0x80; };
    Machine machine(round_config(2), kernel);
    machine.run(kBoot + 10us, kAllSteps);
    machine.run_on_thread(1, {}, [](Cpu& cpu) {
        cpu.irq_disable();
        cpu.spend_time(50us);
        cpu.irq_enable();
    });
    machine.run_on_thread(0, {}, [](Cpu& cpu) {
        for (int i = 0; i < 5; ++i)
            cpu.send_ipi(1, 0x80);
    });
    machine.run(kBoot + 1ms, kAllSteps);
    CHECK(!machine.verdict());
    CHECK(taken == 1);
    CHECK(machine.cpu(1).apic().counters().merged == 4);
}
