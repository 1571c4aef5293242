#include "ticklab/lab/shrink/case_runner.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <stdexcept>

#include "ticklab/sim/machine_records.hpp"
#include "ticklab/sim/machine_sites.hpp"

namespace ticklab::lab {
namespace {

CaseRun case_run_of(Experiment& experiment) {
    sim::Machine& machine = experiment.machine();
    CaseRun run;
    run.reached = experiment.decided();
    if (const std::optional<sim::Verdict>& verdict = machine.verdict()) {
        run.check = verdict->check->name;
        run.message = verdict->message;
        run.at = verdict->at;
        run.cpu = verdict->cpu;
    }
    run.cpu_count = machine.config().cpu_count;
    run.node_count = machine.config().node_count;
    run.records = machine.records().committed();
    run.steps = machine.engine().steps();
    run.digest = machine.records().digest();
    return run;
}

/// Names of the sites of the machine begin with this.
constexpr std::string_view kMachinePrefix = "sim.";

/// Stalls nobody, and keeps where it could have.
class StallPoints final : public sim::Strategy {
public:
    explicit StallPoints(std::size_t most) : most_(most) {}
    std::uint64_t answer(const sim::Site& site, std::uint64_t key, std::uint64_t, std::uint64_t seeded) override {
        if (site.hash() != sim::sites::kStallAtPoint.hash())
            return seeded;
        points_.push_back({key, ++asked_[key], sim::Duration::zero()});
        if (points_.size() > most_)
            points_.pop_front();
        return 0;
    }
    std::vector<StallDecision> points() const { return {points_.begin(), points_.end()}; }

private:
    std::size_t most_;
    std::map<std::uint64_t, std::uint64_t> asked_;
    std::deque<StallDecision> points_;
};

/// Which sites each CPU comes to, and when CPUs are stalled.
class StallPlaces final : public sim::SiteWatcher, public sim::RecordConsumer {
public:
    sim::Time reached(sim::Cpu& cpu, const sim::Site& site) override {
        Visits& visits = visits_[cpu.id()];
        visits.list.push_back({&site, ++visits.count[site.name()], cpu.local_time()});
        return sim::kBoot;
    }

    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch)
            if (record.kind == &sim::kStall)
                stalls_.push_back(stall_of(record));
    }

    /// Those of the list: scripted stalls are no matter of it.
    std::vector<Delay> delays(const DecisionList& decisions) const {
        std::vector<sim::Duration> lengths;
        lengths.reserve(decisions.stalls.size());
        for (const StallDecision& stall : decisions.stalls)
            lengths.push_back(stall.length);
        std::vector<Delay> delays;
        for (Delay delay : stalls_) {
            const auto length = std::find(lengths.begin(), lengths.end(), delay.length);
            if (length == lengths.end())
                continue;
            lengths.erase(length);
            add_sites(delay);
            delays.push_back(delay);
        }
        return delays;
    }

private:
    static Delay stall_of(const sim::Record& record) {
        Delay delay;
        delay.cpu = record.cpu;
        delay.at = record.at;
        delay.length = sim::Duration{record.signed_at(0)} - record.at.time_since_epoch();
        return delay;
    }

    struct Visits {
        std::vector<SiteVisit> list;
        std::map<std::string_view, std::uint64_t> count;
    };

    void add_sites(Delay& delay) const {
        const auto visits = visits_.find(delay.cpu);
        if (visits == visits_.end())
            return;
        const sim::Time end = delay.at + delay.length;
        for (const SiteVisit& visit : visits->second.list) {
            const bool of_kernel = !visit.site->name().starts_with(kMachinePrefix);
            if (visit.at <= delay.at) {
                delay.before = visit;
                if (of_kernel)
                    delay.kernel_before = visit;
            } else if (visit.at >= end) {
                if (delay.after.site == nullptr)
                    delay.after = visit;
                if (of_kernel && delay.kernel_after.size() < Delay::kSitesAfter)
                    delay.kernel_after.push_back(visit);
            }
        }
    }

    std::map<sim::CpuId, Visits> visits_;
    std::vector<Delay> stalls_;
};

}  // namespace

void ShrinkCase::ask_for_decisions() {
    disturbance.stall_one_in = decisions.stalls.empty() ? 0 : 1;
    disturbance.break_ties = !decisions.ties.empty();
}

std::optional<Scenario> CaseRunner::load(const nlohmann::json& document) const {
    std::vector<InputError> errors;
    std::optional<Scenario> scenario = loader_.load_text(file_, document.dump(), {}, errors);
    if (scenario)
        scenario->max_steps = std::min(scenario->max_steps, max_steps_);
    return scenario;
}

ExperimentOptions CaseRunner::options_for(const ShrinkCase& shrink_case) const {
    ExperimentOptions options;
    options.seed = seed_;
    options.metrics = false;
    options.looks = looks_;
    options.disturbance = shrink_case.disturbance;
    options.decisions = shrink_case.decisions;
    options.record_decisions = true;
    return options;
}

CaseRun CaseRunner::record(ShrinkCase& shrink_case, const std::optional<Schedule>& schedule) const {
    const std::optional<Scenario> scenario = load(shrink_case.scenario);
    if (!scenario)
        throw std::invalid_argument("no valid scenario");
    ExperimentOptions options = options_for(shrink_case);
    options.decisions.reset();
    options.schedule = schedule;
    Experiment experiment(*scenario, options);
    experiment.run();
    CaseRun run = case_run_of(experiment);
    shrink_case.decisions = run.reached;
    return run;
}

std::optional<CaseRun> CaseRunner::run_document(const nlohmann::json& document,
                                                const ExperimentOptions& options) const {
    const std::optional<Scenario> scenario = load(document);
    if (!scenario)
        return std::nullopt;
    try {
        Experiment experiment(*scenario, options);
        experiment.run();
        return case_run_of(experiment);
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

std::optional<CaseRun> CaseRunner::run(const ShrinkCase& shrink_case) const {
    return run_document(shrink_case.scenario, options_for(shrink_case));
}

std::vector<StallDecision> CaseRunner::points(const ShrinkCase& shrink_case, std::size_t most) const {
    ShrinkCase calm = shrink_case;
    calm.disturbance = {};
    calm.disturbance.stall_one_in = 1;
    calm.disturbance.max_stall = shrink_case.disturbance.max_stall;
    const std::optional<Scenario> scenario = load(calm.scenario);
    if (!scenario)
        return {};
    StallPoints points(most);
    ExperimentOptions options = options_for(calm);
    options.decisions.reset();
    Experiment experiment(*scenario, options);
    experiment.machine().choices().set_strategy(&points);
    experiment.run();
    return points.points();
}

std::optional<CaseRun> CaseRunner::run_plain(const nlohmann::json& document, std::uint64_t seed) const {
    ExperimentOptions options;
    options.seed = seed;
    options.metrics = false;
    return run_document(document, options);
}

std::vector<Delay> CaseRunner::delays(const ShrinkCase& shrink_case) const {
    const std::optional<Scenario> scenario = load(shrink_case.scenario);
    if (!scenario || shrink_case.decisions.stalls.empty())
        return {};
    StallPlaces places;
    ExperimentOptions options = options_for(shrink_case);
    options.consumers.push_back(&places);
    Experiment experiment(*scenario, options);
    experiment.machine().set_site_watcher(&places);
    experiment.run();
    return places.delays(shrink_case.decisions);
}

}  // namespace ticklab::lab
