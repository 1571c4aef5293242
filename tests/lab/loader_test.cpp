// From file to Scenario (DESIGN 4): what is written arrives, exactly, and damaged files never crash.
#include "ticklab/lab/loader.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <nlohmann/json.hpp>

#include "lab/fake_kernel.hpp"
#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/schema.hpp"

using namespace ticklab;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

lab::Scenario full() {
    std::vector<lab::InputError> errors;
    std::optional<lab::Scenario> scenario = test::fake_loader().load_text("s.json", test::kFullScenario, {}, errors);
    REQUIRE(scenario.has_value());
    return *std::move(scenario);
}

constexpr sim::Time at(sim::Duration d) { return sim::kBoot + d; }

}  // namespace

TEST_CASE("the machine comes from profile, cost table and scenario, the scenario first") {
    const sim::MachineConfig machine = full().machine;
    CHECK(machine.cpu_count == 8);
    CHECK(machine.online_at_boot == 6);
    CHECK(machine.node_count == 2);
    CHECK(machine.memory_model == sim::MemoryModel::kTso);
    CHECK(machine.nominal_hz == 2'100'000'000);
    CHECK(machine.seed == 7);
    REQUIRE(machine.c_states.size() == 1);
    CHECK(machine.c_states[0].exit_latency == 2us);
    REQUIRE(machine.costs.find("irq_entry") != nullptr);
    CHECK(machine.costs.find("irq_entry")->cycles.count == 900);
    CHECK(machine.costs.find("heap_sift_step") != nullptr);
}

TEST_CASE("kernel settings are in the order of the declaration, with defaults") {
    const sim::KernelDecl::Settings settings = full().settings;
    REQUIRE(settings.options.size() == 4);
    CHECK(std::get<sim::Duration>(*settings.options[0]) == 60us);
    CHECK(std::get<std::string>(*settings.options[1]) == "push");
    CHECK(std::get<std::int64_t>(*settings.options[2]) == 8);
    CHECK(std::get<bool>(*settings.options[3]));
    CHECK(settings.version == "1.1");
    CHECK(settings.with == std::vector<std::string>{"FAKE-2"});
}

TEST_CASE("timers are numbered by first mention, declared ones first") {
    const lab::Scenario s = full();
    REQUIRE(s.timers.size() == 3);
    CHECK(s.timers[0].name == "tick");
    CHECK(s.timers[0].cpu == 2);
    CHECK(s.timers[0].callback.rearm == sim::Duration(1ms));
    CHECK(s.timers[0].callback.lock == "biglock");
    REQUIRE(s.timers[0].callback.then.size() == 1);
    CHECK(s.timers[0].callback.then[0].get<std::int64_t>(0) == 1);
    CHECK(s.timers[0].callback.then[0].get<sim::Duration>(1) == 2ms);
    CHECK(s.timers[1].name == "other");
    CHECK(s.timers[2].name == "late");
    CHECK(s.timers[2].cpu == 1);
}

TEST_CASE("steps keep their order, relative times count from the step") {
    const lab::Scenario s = full();
    REQUIRE(s.script.size() == 7);
    CHECK(std::get<sim::Time>(s.script[0].trigger) == at(1ms));
    CHECK(s.script[0].on == 2u);
    CHECK_FALSE(s.script[0].of_machine);
    CHECK(s.script[0].call.get<sim::Time>(1) == at(2500us));
    CHECK(s.script[0].place.line == 21);
    CHECK(lab::machine_verb_of(*s.script[1].call.verb) == lab::MachineVerb::kCpuOffline);
    const auto& hold = std::get<lab::SiteTrigger>(s.script[2].trigger);
    CHECK(hold.site == &test::kFakeBeforeLock);
    CHECK(hold.cpu == 1u);
    CHECK(hold.nth == 2);
    CHECK_FALSE(s.script[2].call.has(0));
    CHECK(s.script[3].call.get<sim::Duration>(1) == 5us);
    CHECK(lab::machine_verb_of(*s.script[4].call.verb) == lab::MachineVerb::kCpuStall);
    CHECK(s.script[6].call.get<std::int64_t>(1) == -40);
}

TEST_CASE("load arguments are in the order of the declaration, with defaults") {
    const lab::Scenario s = full();
    REQUIRE(s.load.size() == 2);
    CHECK(s.load[0].cpus == std::vector<sim::CpuId>{0, 1, 2, 5});
    CHECK(std::get<std::int64_t>(*s.load[0].arguments[0]) == 20'000'000);
    CHECK(std::get<lab::Distribution>(*s.load[0].arguments[1]).low == 5ms);
    CHECK(std::get<std::int64_t>(*s.load[0].arguments[2]) == 900'000);
    CHECK(std::get<std::int64_t>(*s.load[0].arguments[3]) == 64);
    CHECK(lab::load_generator_of(*s.load[1].generator) == lab::LoadGenerator::kCpuDuty);
    CHECK(s.load[1].cpus.size() == 8);
    CHECK(s.load[1].from == at(1ms));
    CHECK(s.load[1].until == at(10ms));
}

TEST_CASE("expectations name timers by index") {
    const lab::Scenario s = full();
    REQUIRE(s.expect.size() == 3);
    const auto& timer = std::get<lab::TimerExpectation>(s.expect[0]);
    CHECK(timer.timer == 0);
    CHECK(timer.fires_on == 2u);
    CHECK(timer.fires->min == 1u);
    CHECK_FALSE(timer.fires->max.has_value());
    CHECK(timer.late->max == sim::Duration(100us));
    CHECK(timer.fires_at_max == at(4ms));
    const auto& state = std::get<lab::StateExpectation>(s.expect[1]);
    CHECK(state.at == at(6ms));
    CHECK(state.is == 0);
    CHECK(std::get<lab::VerdictExpectation>(s.expect[2]).check == "lock.order");
}

TEST_CASE("the explaining walk and valijson agree on every mutation of a valid scenario") {
    static const lab::SchemaChecker checker(lab::scenario_schema(test::fake_registry()));
    const json original = json::parse(test::kFullScenario, nullptr, true, true);
    const json flat = original.flatten();
    std::vector<std::string> pointers;
    for (const auto& [pointer, unused] : flat.items())
        pointers.push_back(pointer);
    CHECK(checker.accepts(original));
    CHECK(checker.explain(original).empty());
    CHECK(rc::check([&] {
        json mutated = original;
        const int edits = *rc::gen::inRange(1, 4);
        for (int i = 0; i < edits; ++i) {
            json::json_pointer pointer(*rc::gen::elementOf(pointers));
            for (int up = *rc::gen::inRange(0, 3); up > 0 && !pointer.empty(); --up)
                pointer.pop_back();
            if (!mutated.contains(pointer))
                continue;
            const json replacements[] = {nullptr,        5,         -1, 0.5, "x", "5ms", true, json::array(),
                                         json::object(), {{"x", 1}}};
            json& target = mutated[pointer];
            const int choice = *rc::gen::inRange(0, 12);
            if (choice < 10)
                target = replacements[choice];
            else if (target.is_object() && choice == 10)
                target["unknown"] = 1;
            else if (target.is_object() && !target.empty())
                target.erase(target.begin());
        }
        const bool explained = !checker.explain(mutated).empty();
        if (checker.accepts(mutated) == explained)
            RC_FAIL(mutated.dump());
    }));
}

TEST_CASE("damaged text never crashes loading, and is refused with a message or loaded") {
    const std::string original = test::kFullScenario;
    CHECK(rc::check([&] {
        std::string text = original;
        for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
            const auto where =
                static_cast<std::size_t>(*rc::gen::inRange<std::int64_t>(0, static_cast<std::int64_t>(text.size())));
            const auto length = static_cast<std::size_t>(*rc::gen::inRange(0, 40));
            switch (*rc::gen::inRange(0, 4)) {
                case 0:
                    text.erase(where, length);
                    break;
                case 1:
                    text.insert(where, original.substr(length * 13 % original.size(), length));
                    break;
                case 2:
                    text[where] = static_cast<char>(*rc::gen::inRange(0, 256) - 128);
                    break;
                default:
                    text.resize(where + 1);
                    break;
            }
        }
        std::vector<lab::InputError> errors;
        const bool loaded = test::fake_loader().load_text("s.json", text, {}, errors).has_value();
        RC_ASSERT(loaded == errors.empty());
        for (const lab::InputError& error : errors)
            RC_ASSERT(lab::to_text(error).find('\n') == std::string::npos);
    }));
}
