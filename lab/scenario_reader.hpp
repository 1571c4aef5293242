// Reads the parts of a scenario document that its schema accepts, and checks what the schema cannot say.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ticklab/lab/registry.hpp"
#include "ticklab/lab/scenario.hpp"
#include "ticklab/lab/value_reader.hpp"

namespace ticklab::lab {

/// Fills one Scenario, whose machine and kernel are known. Parts are read in the order of the declarations.
class ScenarioReader final : private TimerNames {
public:
    ScenarioReader(const Registry& registry, const JsonSource& source, Scenario& scenario,
                   std::vector<InputError>& errors);

    void read_head();
    void read_kernel();
    void read_timers();
    void read_script();
    void read_load();
    void read_expectations();

private:
    using Json = nlohmann::json;

    sim::TimerIndex index_of(const std::string& name) override;
    ReadContext context(std::optional<sim::Time> moment);
    /// Reads an instant of the run and checks that it is within.
    std::optional<sim::Time> instant_of_run(const Json& entry, std::string_view key, const std::string& pointer);

    void check_changes(const Json& kernel);
    void read_step(const Json& entry, const SourcePlace& place, bool fault);
    std::optional<Trigger> read_trigger(const Json& entry, const std::string& pointer);
    const sim::VerbDecl& verb_named(const std::string& word, bool fault, bool& of_machine) const;
    void check_step(Step& step);
    /// What the kernel has to say to a call beyond the types of its parameters.
    void check_call(const sim::VerbCall& call, bool of_machine, const std::string& pointer);
    void check_stalls();
    void read_load_arguments(const Json& entry, Load& load);
    void read_timer_expectation(const Json& entry, const SourcePlace& place);
    void read_state_expectation(const Json& entry, const SourcePlace& place);
    bool state_is_declared(const std::string& path, const std::string& pointer);

    const Registry& registry_;
    const JsonSource& source_;
    Scenario& scenario_;
    ValueReader reader_;
    std::map<std::string, sim::TimerIndex, std::less<>> timers_;
    /// Owner of timers that are mentioned for the first time now.
    sim::CpuId mentioned_on_ = 0;
    SourcePlace mentioned_at_;
};

}  // namespace ticklab::lab
