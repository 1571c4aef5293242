#include "ticklab/lab/hunt/hunt.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

#include "ticklab/lab/hunt/stall_order.hpp"
#include "ticklab/lab/ordered_tasks.hpp"

namespace ticklab::lab {
namespace {

using Clock = std::chrono::steady_clock;

/// Of a longer run, how conflicts lie is read from its beginning: it is 64 bytes a point.
constexpr std::uint64_t kMostCrossingsRead = 1'000'000;

/// What makes one run differ from the others.
struct RunPlan {
    std::uint64_t run = 0;
    std::uint64_t seed = 0;
    std::optional<Disturbance> disturbance{};
    std::optional<Schedule> schedule{};
    std::vector<std::string> drawn{};
    /// The scenario that was drawn; null for the one that all runs have.
    std::shared_ptr<const Scenario> own{};
};

struct HuntOutcome {
    std::optional<HuntFailure> failure;
    bool inconclusive = false;
    std::uint64_t records = 0;
    std::uint64_t points = 0;
    std::vector<Crossing> crossings{};
};

HuntOutcome perform(const Scenario& shared, const RunPlan& plan, bool expectations, std::uint64_t keep_crossings) try {
    const Scenario& scenario = plan.own ? *plan.own : shared;
    ExperimentOptions options;
    options.seed = plan.seed;
    options.looks = hunt_looks(scenario.duration);
    options.metrics = false;
    options.disturbance = plan.disturbance;
    options.schedule = plan.schedule;
    options.keep_crossings = keep_crossings;
    Experiment experiment(scenario, options);
    experiment.run();
    HuntOutcome outcome{failure_of(experiment, expectations), experiment.end() == sim::RunEnd::kBudget,
                        experiment.machine().records().committed()};
    if (const Scheduler* const scheduler = experiment.scheduler()) {
        outcome.points = scheduler->points();
        outcome.crossings = scheduler->crossings();
    }
    if (outcome.failure) {
        outcome.failure->run = plan.run;
        outcome.failure->seed = plan.seed;
        outcome.failure->disturbance = plan.disturbance;
        outcome.failure->schedule = plan.schedule;
        if (plan.schedule)
            outcome.failure->disturbance = scheduled_disturbance(*plan.schedule, scenario.machine);
        outcome.failure->drawn = plan.drawn;
    }
    return outcome;
} catch (const std::invalid_argument& e) {
    if (!plan.own)
        throw;
    throw std::invalid_argument(Swarm::problem(plan.seed, plan.drawn, e.what()));
}

std::vector<std::uint64_t> points_of(const std::vector<PlacedStall>& stalls) {
    std::vector<std::uint64_t> points;
    points.reserve(stalls.size());
    for (const PlacedStall& stall : stalls)
        points.push_back(stall.point);
    return points;
}

/// Ways to deviate at up to `depth` of `places`, none included; UINT64_MAX if there are more.
std::uint64_t ways(std::uint64_t places, std::uint64_t depth) {
    sim::UInt128 sum = 1, term = 1;
    for (std::uint64_t k = 1; k <= std::min(depth, places); ++k) {
        term = term * (places - k + 1) / k;
        sum += term;
        if (sum > UINT64_MAX)
            return UINT64_MAX;
    }
    return static_cast<std::uint64_t>(sum);
}

class Hunter {
public:
    Hunter(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer)
        : scenario_(scenario), options_(options), observer_(observer), result_(options.before) {
        result_.end = HuntEnd::kAllRuns;
    }

    HuntResult hunt() {
        if (options_.stop_after != 0 && result_.failures >= options_.stop_after)
            result_.end = HuntEnd::kStopAfter;
        else if (options_.strategy == HuntStrategy::kExhaustive)
            search(ties_are_choices(), 0, options_.depth);
        else if (goes_through_one_seed(options_.strategy, options_.depth))
            single_delays();
        else
            seeds();
        return result_;
    }

private:
    using Plan = std::function<RunPlan(std::uint64_t number)>;

    /// A deviation from a run that is known.
    struct Child {
        std::size_t crossing;
        std::uint64_t number;  ///< of the point or tie
        std::uint64_t answer;
        bool tie;
    };

    PlacedSchedule ties_are_choices() const {
        PlacedSchedule schedule;
        schedule.break_ties = scenario_.machine.memory_model == sim::MemoryModel::kSequential;
        return schedule;
    }

    /// Of what the undisturbed run of a plan comes to.
    StallOrder stall_order(RunPlan plan) const {
        plan.schedule = PlacedSchedule{};
        const HuntOutcome run = perform(scenario_, plan, false, kMostCrossingsRead);
        return {run.crossings, run.points, (plan.own ? *plan.own : scenario_).machine.max_stall, plan.seed};
    }
    /// Of the first seed; later seeds of the same scenario differ little.
    StallOrder stall_order() const { return stall_order(RunPlan{0, options_.first_seed}); }

    void seeds() {
        const bool scheduled = options_.strategy == HuntStrategy::kPct || options_.strategy == HuntStrategy::kDelay;
        std::optional<StallOrder> shared_order;
        if (scheduled && !options_.swarm)
            shared_order = stall_order();
        all(options_.last_seed - options_.first_seed, [this, scheduled, &shared_order](std::uint64_t number) {
            RunPlan plan{number, options_.first_seed + number};
            if (options_.swarm) {
                plan.drawn = options_.swarm->draw(plan.seed);
                plan.own = std::make_shared<const Scenario>(options_.swarm->load(plan.seed, plan.drawn));
            }
            const std::optional<StallOrder> own_order =
                scheduled && plan.own ? std::optional(stall_order(plan)) : std::nullopt;
            const StallOrder* const order = own_order ? &*own_order : shared_order ? &*shared_order : nullptr;
            const sim::MachineConfig& config = plan.own ? plan.own->machine : scenario_.machine;
            switch (options_.strategy) {
                case HuntStrategy::kRandom:
                    plan.disturbance = random_disturbance(plan.seed, config);
                    break;
                case HuntStrategy::kPct:
                    plan.schedule = PctSchedule{points_of(order->sample(plan.seed, options_.depth - 1))};
                    break;
                case HuntStrategy::kDelay:
                    plan.schedule = PlacedSchedule{order->sample(plan.seed, options_.depth), {}, false};
                    break;
                case HuntStrategy::kSeeds:
                case HuntStrategy::kExhaustive:
                    break;
            }
            return plan;
        });
    }

    void single_delays() {
        const StallOrder order = stall_order();
        const HuntShard shard = options_.shard;
        const std::uint64_t behind = order.promising() - std::min(order.promising(), shard.index);
        const std::uint64_t here = (behind + shard.count - 1) / shard.count;
        result_.promising = PromisingStalls{here, std::min(here, result_.runs)};
        all(order.size() - 1, [this, &order](std::uint64_t number) {
            return RunPlan{number, options_.first_seed, std::nullopt, PlacedSchedule{{order[number]}, {}, false}};
        });
    }

    /// The runs 0 to `last` of the hunt that belong to this shard.
    void all(std::uint64_t last, const Plan& plan) {
        const HuntShard shard = options_.shard;
        if (last < shard.index)
            return;
        const std::uint64_t last_here = (last - shard.index) / shard.count;
        result_.total = last_here == UINT64_MAX ? UINT64_MAX : last_here + 1;
        batch(last_here, [&](std::uint64_t i) { return plan(shard.index + i * shard.count); });
    }

    /// The next `last` + 1 runs, in parallel, but for those that were done before. False if the hunt is over.
    bool batch(std::uint64_t last, const Plan& plan) {
        const std::uint64_t done = options_.before.runs - std::min(options_.before.runs, reached_);
        const std::uint64_t begin = reached_;
        if (done > last) {
            reached_ += last + 1;
            return true;
        }
        constexpr std::chrono::milliseconds kPatience{50};
        OrderedTasks<HuntOutcome> runs(done, last, options_.jobs, [&](std::uint64_t i) {
            return perform(scenario_, plan(i), options_.count_expectations, 0);
        });
        for (std::uint64_t i = done;;) {
            if (over())
                return false;
            const std::optional<HuntOutcome> outcome = runs.next(kPatience);
            if (!outcome)
                continue;
            if (!hand_over(*outcome))
                return false;
            if (i++ == last)
                break;
        }
        reached_ = begin + last + 1;
        return true;
    }

    bool over() {
        if (observer_.interrupted())
            result_.end = HuntEnd::kInterrupted;
        else if (options_.budget && Clock::now() - began_ >= *options_.budget)
            result_.end = HuntEnd::kBudget;
        else
            return false;
        return true;
    }

    bool hand_over(const HuntOutcome& outcome) {
        ++result_.runs;
        result_.records += outcome.records;
        result_.inconclusive += outcome.inconclusive;
        if (outcome.failure) {
            ++result_.failures;
            observer_.failed(*outcome.failure);
        }
        if (result_.promising)
            result_.promising->tried = std::min(result_.promising->total, result_.runs);
        observer_.progress(result_);
        if (options_.stop_after == 0 || result_.failures < options_.stop_after)
            return true;
        result_.end = HuntEnd::kStopAfter;
        return false;
    }

    /// The run of `schedule`, and then those that deviate from it in up to `depth` more places, from crossing `from`
    /// on. Depth first, so what must be kept is one run a level; the deepest level, which is nearly all of it, in
    /// parallel.
    bool search(const PlacedSchedule& schedule, std::size_t from, std::uint64_t depth) {
        if (over())
            return false;
        const RunPlan plan{reached_, options_.first_seed, std::nullopt, schedule};
        const HuntOutcome outcome = perform(scenario_, plan, options_.count_expectations, UINT64_MAX);
        if (schedule.stalls.empty() && schedule.ties.empty())
            estimate(outcome.crossings);
        // A run that was handed over before is done again for what it leads to.
        if (reached_++ >= options_.before.runs && !hand_over(outcome))
            return false;
        const std::vector<Child> children = children_of(outcome.crossings, from);
        if (children.empty())
            return true;
        if (depth == 1) {
            const std::uint64_t first = reached_;
            return batch(children.size() - 1, [&](std::uint64_t i) {
                return RunPlan{first + i, options_.first_seed, std::nullopt, deviated(schedule, children[i])};
            });
        }
        for (const Child& child : children)
            if (!search(deviated(schedule, child), child.crossing + 1, depth - 1))
                return false;
        return true;
    }

    void estimate(const std::vector<Crossing>& crossings) {
        result_.total = ways(children_of(crossings, 0).size(), options_.depth);
        // Runs that deviate come to other numbers of places.
        result_.total_exact = options_.depth == 1;
    }

    static std::vector<Child> children_of(const std::vector<Crossing>& crossings, std::size_t from) {
        std::vector<Child> children;
        std::uint64_t points = 0, ties = 0;
        for (std::size_t i = 0; i < crossings.size(); ++i) {
            const std::uint64_t number = crossings[i].tie ? ++ties : ++points;
            for (std::uint64_t answer = 1; i >= from && answer < crossings[i].answers; ++answer)
                children.push_back({i, number, answer, crossings[i].tie});
        }
        return children;
    }

    PlacedSchedule deviated(PlacedSchedule schedule, const Child& child) const {
        if (child.tie)
            schedule.ties.push_back({child.number, child.answer});
        else
            schedule.stalls.push_back({child.number, scenario_.machine.max_stall});
        return schedule;
    }

    const Scenario& scenario_;
    const HuntOptions& options_;
    const HuntObserver& observer_;
    HuntResult result_;
    std::uint64_t reached_ = 0;  ///< runs gone past in this shard, done now or before
    const Clock::time_point began_ = Clock::now();
};

}  // namespace

unsigned hunt_looks(sim::Duration length) {
    constexpr sim::Duration kBetweenLooks = std::chrono::milliseconds{10};
    constexpr std::int64_t kMostLooks = 8;
    return static_cast<unsigned>(std::clamp<std::int64_t>(length / kBetweenLooks, 1, kMostLooks));
}

std::optional<HuntFailure> failure_of(const Experiment& experiment, bool expectations) {
    HuntFailure failure;
    if (const std::optional<sim::Verdict>& verdict = experiment.machine().verdict();
        verdict && !verdict_expected(experiment.scenario(), *verdict)) {
        failure.check = verdict->check->name;
        failure.message = verdict->message;
        failure.at = verdict->at;
        failure.cpu = verdict->cpu;
        failure.record_number = verdict->record_number;
        return failure;
    }
    if (expectations)
        for (const ExpectationResult& e : experiment.expectations())
            if (e.outcome == ExpectationOutcome::kFailed) {
                failure.check = MuseumEntry::kExpectationFails;
                failure.message = e.what + ": " + e.found;
                failure.at = experiment.reached();
                return failure;
            }
    return std::nullopt;
}

HuntResult hunt(const Scenario& scenario, const HuntOptions& options, const HuntObserver& observer) {
    return Hunter(scenario, options, observer).hunt();
}

}  // namespace ticklab::lab
