// Every fault that a device of the machine has can be placed by a scenario (HP 12, LA 15, TC 9).
#include <doctest/doctest.h>

#include <string>

#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/registry.hpp"
#include "ticklab/sim/devices/apic_faults.hpp"
#include "ticklab/sim/devices/hpet_params.hpp"
#include "ticklab/sim/tsc.hpp"

using namespace ticklab;
using namespace std::chrono_literals;

namespace {

std::optional<lab::Scenario> load(const std::string& text, std::string& trouble) {
    std::vector<lab::InputError> errors;
    static const lab::ScenarioLoader loader(lab::program_registry());
    std::optional<lab::Scenario> scenario = loader.load_text("fault.json", text, {}, errors);
    for (const lab::InputError& error : errors)
        trouble += lab::to_text(error);
    return scenario;
}

std::string with_fault(const std::string& step) {
    return R"({"name": "fault", "machine": {"cpus": 2}, "kernel": {"type": "xen"}, "duration": "2ms", "faults": [)" +
           step + "]}";
}

}  // namespace

TEST_CASE("each fault of the HPET, the local APICs and the TSCs is a verb of its name, described by its number") {
    const auto check = [](std::string_view name, std::string_view number) {
        CAPTURE(name);
        const sim::VerbDecl* const verb = lab::find_machine_verb(name);
        REQUIRE(verb != nullptr);
        CHECK(verb->context == sim::VerbContext::kMachine);
        CHECK(verb->help.find(number) != std::string_view::npos);
    };
    for (const sim::HpetFaultInfo& fault : sim::kHpetFaults)
        check(fault.name, fault.number);
    for (const sim::ApicFaultInfo& fault : sim::kApicFaults)
        check(fault.name, fault.number);
    for (const sim::TscFaultInfo& fault : sim::kTscFaults)
        check(fault.name, fault.number);
}

TEST_CASE(
    "every fault verb of the HPET is performed with a value of its type, and without one where it has a default") {
    const char* const steps[] = {
        R"({"at": "1ms", "do": "hpet.lenient_match"})",
        R"({"at": "1ms", "do": "hpet.post_delay", "value": 3})",
        R"({"at": "1ms", "do": "hpet.first_periodic_ignored", "value": false})",
        R"({"at": "0s", "do": "hpet.not_ready", "value": "5ms"})",
        R"({"at": "1ms", "do": "hpet.dead_counter"})",
        R"({"at": "1ms", "do": "hpet.drift", "value": -500})",
        R"({"at": "1ms", "do": "hpet.stale_comparator"})",
        R"({"at": "1ms", "do": "hpet.glitch_read"})",
        R"({"at": "1ms", "do": "p_state", "cpu": 1, "hz": 1200000000})",
        R"({"at": "1ms", "do": "irq.nmi", "cpu": 1})",
    };
    for (const char* const step : steps) {
        CAPTURE(step);
        std::string trouble;
        const std::optional<lab::Scenario> scenario = load(with_fault(step), trouble);
        CAPTURE(trouble);
        REQUIRE(scenario);
        lab::Experiment experiment(*scenario, {});
        experiment.run();
        CHECK(!experiment.machine().verdict());
    }
}

TEST_CASE("an NMI that a scenario asks for is counted, on the CPU that it names") {
    std::string trouble;
    const auto scenario = load(with_fault(R"({"at": "1ms", "do": "irq.nmi", "cpu": 1})"), trouble);
    REQUIRE(scenario);
    lab::Experiment experiment(*scenario, {});
    experiment.run();
    CHECK(experiment.machine().cpu(0).counters().nmis == 0);
    CHECK(experiment.machine().cpu(1).counters().nmis == 1);
}

TEST_CASE("values of HPET faults out of range are refused") {
    for (const char* const step :
         {R"({"at": "1ms", "do": "hpet.post_delay", "value": 1000001})",
          R"({"at": "1ms", "do": "hpet.drift", "value": 900001})", R"({"at": "1ms", "do": "hpet.post_delay"})"}) {
        CAPTURE(step);
        std::string trouble;
        CHECK(!load(with_fault(step), trouble));
        CHECK(!trouble.empty());
    }
}
