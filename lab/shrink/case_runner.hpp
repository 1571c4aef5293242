// A failing run as shrinking edits it, and the running of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/bundle/decision_list.hpp"
#include "ticklab/lab/disturbance.hpp"
#include "ticklab/lab/experiment.hpp"
#include "ticklab/lab/loader.hpp"

namespace ticklab::lab {

/// Everything that makes the run what it is, beside its seed.
struct ShrinkCase {
    nlohmann::json scenario;  ///< a scenario's document
    Disturbance disturbance;
    DecisionList decisions;

    /// The machine must ask about what there is a decision for, and about nothing else.
    void ask_for_decisions();
};

/// What came of a run.
struct CaseRun {
    std::string check;  ///< empty if none failed
    std::string message;
    sim::Time at = sim::kBoot;
    sim::CpuId cpu = sim::kNoCpu;
    sim::CpuId cpu_count = 0;
    unsigned node_count = 1;
    std::uint64_t records = 0;
    std::uint64_t steps = 0;
    sim::Digest digest;
    /// Those of the list that it came to.
    DecisionList reached;
};

/// A place in the kernel's code where a CPU was.
struct SiteVisit {
    const sim::Site* site = nullptr;  ///< null for none
    std::uint64_t nth = 0;            ///< time that this CPU came to it, from 1
    sim::Time at = sim::kBoot;
};

/// A stall of the list, as the run shows it.
struct Delay {
    /// Sites after it that are kept.
    static constexpr std::size_t kSitesAfter = 4;

    sim::CpuId cpu = sim::kNoCpu;
    sim::Time at = sim::kBoot;
    sim::Duration length{};
    /// The last site of that CPU up to the stall, and the first one after it.
    SiteVisit before, after;
    /// The last of the kernel's own sites up to the stall, and the first ones after it.
    SiteVisit kernel_before;
    std::vector<SiteVisit> kernel_after;
};

/// Runs cases of one scenario file under one seed. The loader must outlive it.
class CaseRunner {
public:
    /// `file` is what names in the documents are relative to. Structures are looked at `looks` times a run.
    CaseRunner(const ScenarioLoader& loader, std::string file, std::uint64_t seed, unsigned looks)
        : loader_(loader), file_(std::move(file)), seed_(seed), looks_(looks) {}

    std::uint64_t seed() const { return seed_; }
    /// A run that takes more steps than this is taken for one that does not fail.
    void limit_steps(std::uint64_t steps) { max_steps_ = steps; }

    /// Runs the case with seed and schedule in place of its list, and makes what they decided the list. Throws
    /// std::invalid_argument with the message of machine or kernel if they do not accept the configuration.
    CaseRun record(ShrinkCase& shrink_case, const std::optional<Schedule>& schedule) const;
    /// Nothing if the document is no valid scenario, or machine or kernel refuse it.
    std::optional<CaseRun> run(const ShrinkCase& shrink_case) const;
    /// Stalls of no length, one at each point of all places, in the order in which the undisturbed run comes to them;
    /// the last `most`.
    std::vector<StallDecision> points(const ShrinkCase& shrink_case, std::size_t most) const;
    /// The document alone, with no list and no disturbance but its own, under that seed.
    std::optional<CaseRun> run_plain(const nlohmann::json& scenario, std::uint64_t seed) const;
    /// Runs it once more and looks where its stalls are; in order of time.
    std::vector<Delay> delays(const ShrinkCase& shrink_case) const;

private:
    ExperimentOptions options_for(const ShrinkCase& shrink_case) const;
    std::optional<Scenario> load(const nlohmann::json& document) const;
    /// Nothing if the document does not load, or machine or kernel refuse it.
    std::optional<CaseRun> run_document(const nlohmann::json& document, const ExperimentOptions& options) const;

    const ScenarioLoader& loader_;
    std::string file_;
    std::uint64_t seed_;
    unsigned looks_;
    std::uint64_t max_steps_ = UINT64_MAX;
};

}  // namespace ticklab::lab
