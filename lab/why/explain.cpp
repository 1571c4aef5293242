#include "ticklab/lab/why/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/scenario_records.hpp"
#include "ticklab/lab/why/chain_finder.hpp"
#include "ticklab/sim/machine_records.hpp"

namespace ticklab::lab {
namespace {

using sim::Time;
using sim::TimerIndex;

std::vector<ToldEvent> tell_chain(const ChainFinder& finder, const sim::RecordStream& names) {
    const std::vector<ChainFinder::Link> links = finder.links();
    const auto index_of = [&](sim::RecordId id) -> std::optional<std::size_t> {
        for (std::size_t i = 0; i < links.size() && id; ++i)
            if (links[i].record.id == id)
                return i;
        return std::nullopt;
    };
    std::vector<ToldEvent> events;
    for (const ChainFinder::Link& link : links) {
        const KeptRecord& r = link.record;
        events.push_back({r.at, r.id, fmt::format("{}:{}", r.kind->system, r.kind->name), tell_place(r),
                          tell_record(r, names), link.followed ? index_of(r.cause) : std::nullopt,
                          link.followed ? index_of(r.waited_on) : std::nullopt});
    }
    return events;
}

std::optional<TimerIndex> find_timer(const Experiment& experiment, const std::string& name) {
    for (TimerIndex t = 0; t < experiment.timers().size(); ++t)
        if (experiment.timer_name(t) == name)
            return t;
    return std::nullopt;
}

std::string no_such_timer(const Experiment& experiment, const std::string& name) {
    std::vector<std::string_view> names;
    for (TimerIndex t = 0; t < experiment.timers().size(); ++t)
        names.push_back(experiment.timer_name(t));
    if (names.empty())
        return fmt::format("the scenario has no timer {}, nor any other", in_quotes(name));
    return found_expected(fmt::format("timer {}", in_quotes(name)), one_of(names), nearest_word(name, names));
}

/// Counts the callbacks of one timer and finds the latest; notes what was asked of it last.
class Survey final : public FiringObserver, public sim::RecordConsumer {
public:
    TimerIndex timer = 0;
    std::string_view name;
    const sim::RecordStream* names = nullptr;

    void fired(const Firing& firing, std::uint64_t, const ActivityLog&) override {
        if (firing.timer != timer)
            return;
        ++count;
        if (const sim::Duration late = firing.at - firing.requested(); late > latest) {
            latest = late;
            worst = count;
        }
    }
    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch)
            if (record.kind->id == kVerbBeginRecord.id && names->name(record.unsigned_at(1)) == name)
                last_verb.emplace(record, 0);
    }

    std::uint64_t count = 0;
    std::uint64_t worst = 1;
    sim::Duration latest = sim::Duration::min();
    std::optional<KeptRecord> last_verb;
};

/// A sentence on a timer whose callback did not run so often.
std::string fired_too_rarely(Experiment& experiment, const Survey& survey, const std::string& name, std::uint64_t nth) {
    std::string text = survey.count == 0 ? fmt::format("timer {} never fired", in_quotes(name))
                       : survey.count == 1
                           ? fmt::format("timer {} fired once, not {} times", in_quotes(name), nth)
                           : fmt::format("timer {} fired {} times, not {}", in_quotes(name), survey.count, nth);
    std::optional<Owed> owed;
    experiment.obligations()->for_each_owed([&](const Owed& o) {
        if (o.timer == survey.timer)
            owed = o;
    });
    if (owed)
        text += fmt::format("; when the run ended at {}, it was armed to run between {} and {}",
                            show(experiment.reached()), show(owed->not_before), show(owed->not_after));
    else if (survey.last_verb)
        text += fmt::format("; the last that was asked of it was {}, at {} on CPU {}",
                            experiment.machine().records().name(survey.last_verb->operands[0]),
                            show(survey.last_verb->at), survey.last_verb->cpu);
    else
        text += "; nothing was ever asked of it";
    if (const auto& verdict = experiment.machine().verdict())
        text += fmt::format("; the run ended with a failed check, {}", verdict->check->name);
    return text;
}

/// Waits for the nth callback of a timer, splits its lateness and ends the run.
class Capture final : public FiringObserver {
public:
    Capture(TimerIndex timer, std::uint64_t nth) : timer_(timer), nth_(nth) {}
    void watch(Experiment& experiment) { experiment_ = &experiment; }

    void fired(const Firing& firing, std::uint64_t timer, const ActivityLog& log) override {
        if (firing.timer != timer_ || ++count_ != nth_)
            return;
        split = split_lateness(log, firing, timer);
        chain.want(firing.record);
        chain.want(split->pass);
        chain.gather(log.records());
        experiment_->stop();
    }

    std::optional<LatenessSplit> split;
    ChainFinder chain;

private:
    TimerIndex timer_;
    std::uint64_t nth_;
    std::uint64_t count_ = 0;
    Experiment* experiment_ = nullptr;
};

/// Waits for the wake-up that belongs to an instant, and ends the run.
class WakeCapture final : public sim::RecordConsumer {
public:
    WakeCapture(sim::CpuId cpu, Time at) : cpu_(cpu), at_(at), ring_(kWhyCapacity) {}
    void watch(Experiment& experiment) { experiment_ = &experiment; }

    void consume(std::span<const sim::Record> batch) override {
        for (const sim::Record& record : batch) {
            if (done_)
                return;
            if (record.at > at_ && !asleep())
                return settle();
            ring_.push(record);
            if (record.cpu != cpu_)
                continue;
            const std::uint16_t kind = record.kind->id;
            if (kind == sim::kIdleEnter.id) {
                slept.emplace(record, 0);
                woke.reset();
            } else if (kind == sim::kIdleExit.id) {
                woke.emplace(record, 0);
                chain = {};
                chain.want(record.id);
                chain.gather(ring_);
                if (record.at > at_)
                    return settle();
            } else if (kind == sim::kCpuOffline.id || kind == sim::kCpuOnline.id) {
                slept.reset();
                woke.reset();
                offline = kind == sim::kCpuOffline.id;
                changed = record.at;
            }
        }
    }

    bool asleep() const { return slept && !woke; }

    std::optional<KeptRecord> slept;
    std::optional<KeptRecord> woke;
    bool offline = false;
    Time changed = sim::kBoot;
    ChainFinder chain;

private:
    void settle() {
        done_ = true;
        experiment_->stop();
    }

    sim::CpuId cpu_;
    Time at_;
    RecordRing ring_;
    bool done_ = false;
    Experiment* experiment_ = nullptr;
};

}  // namespace

Answer<TimerWhy> why_timer(const Scenario& scenario, const ExperimentOptions& options, const std::string& timer,
                           std::optional<std::uint64_t> nth) {
    Survey survey;
    ExperimentOptions first = options;
    first.firing_observers.push_back(&survey);
    first.consumers.push_back(&survey);
    {
        Experiment experiment(scenario, first);
        const std::optional<TimerIndex> found = find_timer(experiment, timer);
        if (!found)
            return {std::nullopt, no_such_timer(experiment, timer)};
        survey.timer = *found;
        survey.name = timer;
        survey.names = &experiment.machine().records();
        experiment.run();
        if (nth.value_or(1) > survey.count)
            return {std::nullopt, fired_too_rarely(experiment, survey, timer, nth.value_or(1))};
    }
    Capture capture(survey.timer, nth.value_or(survey.worst));
    ExperimentOptions second = options;
    second.firing_observers.push_back(&capture);
    second.log_capacity = kWhyCapacity;
    Experiment experiment(scenario, second);
    capture.watch(experiment);
    experiment.run();
    capture.chain.complete(scenario, options);

    const sim::RecordStream& names = experiment.machine().records();
    TimerWhy why{timer, nth.value_or(survey.worst),      capture.split->firing, tell_parts(*capture.split, names),
                 {},    tell_chain(capture.chain, names)};
    for (const LatenessPiece& p : capture.split->pieces)
        why.pieces.push_back({p.from, p.to, p.part, p.cpu, tell_frame(p.frame, names)});
    return {std::move(why), {}};
}

Answer<WakeWhy> why_awake(const Scenario& scenario, const ExperimentOptions& options, sim::CpuId cpu, Time at) {
    if (cpu >= scenario.machine.cpu_count)
        return {std::nullopt,
                found_expected(fmt::format("CPU {}", cpu), fmt::format("0 to {}", scenario.machine.cpu_count - 1))};
    if (at > sim::kBoot + scenario.duration)
        return {std::nullopt, found_expected(show(at), fmt::format("an instant of the run, which ends at {}",
                                                                   show(sim::kBoot + scenario.duration)))};
    WakeCapture capture(cpu, at);
    ExperimentOptions watched = options;
    watched.consumers.push_back(&capture);
    Experiment experiment(scenario, watched);
    capture.watch(experiment);
    experiment.run();
    const sim::RecordStream& names = experiment.machine().records();
    if (capture.asleep())
        return {std::nullopt, fmt::format("CPU {} slept from {} to the end of the run at {}", cpu,
                                          show(capture.slept->at), show(experiment.reached()))};
    if (!capture.woke)
        return {std::nullopt,
                capture.offline
                    ? fmt::format("CPU {} was off-line at {}, since {}", cpu, show(at), show(capture.changed))
                    : fmt::format("CPU {} was awake at {}, and has not slept since it came on-line at {}", cpu,
                                  show(at), show(capture.changed))};
    capture.chain.complete(scenario, options);
    return {WakeWhy{cpu, capture.slept->at, capture.woke->at, std::string(names.name(capture.woke->operands[0])),
                    std::string(names.name(capture.woke->operands[1])), tell_chain(capture.chain, names)},
            {}};
}

}  // namespace ticklab::lab
