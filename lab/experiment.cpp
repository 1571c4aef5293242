#include "ticklab/lab/experiment.hpp"

#include <algorithm>

#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {

using sim::Cpu;
using sim::CpuId;
using sim::Duration;
using sim::Time;
using sim::TimerIndex;

Experiment::Experiment(const Scenario& scenario, const ExperimentOptions& options)
    : scenario_(scenario),
      options_(options),
      load_timers_(load_timers(scenario)),
      verbs_(TimerVerbs::of(*scenario.kernel)),
      until_(sim::kBoot + scenario.duration) {
    if (options.until)
        until_ = std::min(until_, *options.until);
    for (const TimerPlan& plan : scenario.timers)
        names_.push_back(plan.name);
    for (const LoadTimer& timer : load_timers_)
        names_.push_back(timer.name);
    figures_.resize(names_.size());
    next_period_.assign(names_.size(), sim::kBoot);

    sim::MachineConfig config = scenario.machine;
    config.seed = options.seed;
    if (options.disturbance)
        options.disturbance->apply(config);
    if (options.schedule) {
        scheduled_disturbance(*options.schedule, config).apply(config);
        scheduler_ = make_scheduler(*options.schedule, config);
        scheduler_->keep_crossings(options.keep_crossings);
    }
    kernel_ = scenario.kernel->make(scenario.settings, *this);
    machine_ = std::make_unique<sim::Machine>(config, *kernel_);
    sim::Strategy* answers = scheduler_.get();
    if (options.decisions)
        answers = &player_.emplace(*options.decisions);
    if (options.record_decisions)
        answers = &recorder_.emplace(answers);
    machine_->choices().set_strategy(answers);
    performer_ = std::make_unique<Performer>(*machine_, *kernel_, *this);

    // Interned whether observed or not: numbers of names are part of the records.
    const auto name_of = [](MachineVerb verb) { return machine_verbs()[static_cast<std::size_t>(verb)].name; };
    const std::uint64_t offline = machine_->intern(name_of(MachineVerb::kCpuOffline));
    const std::uint64_t online = machine_->intern(name_of(MachineVerb::kCpuOnline));

    for (const std::string& lock : scenario.locks)
        locks_.push_back(std::make_unique<sim::SpinLock>(*machine_, machine_->lock_class("scenario " + lock), lock));
    for (const TimerPlan& plan : scenario.timers) {
        const auto it = std::find(scenario.locks.begin(), scenario.locks.end(), plan.callback.lock);
        lock_of_timer_.push_back(
            it == scenario.locks.end() ? nullptr : locks_[static_cast<std::size_t>(it - scenario.locks.begin())].get());
    }
    if (options.checks || options.metrics) {
        obligations_ = std::make_unique<Obligations>(names_.size(), machine_->cpu_count(), [this](CpuId cpu) {
            const sim::CpuCounters& counters = machine_->cpu(cpu).counters();
            return counters.wakeups + static_cast<std::uint64_t>(counters.user_time.count());
        });
        watch_ = std::make_unique<FiringWatch>(*machine_, options.log_capacity);
        machine_->records().add_consumer(*watch_);
        if (options.metrics)
            watch_->add(worst_);
        if (options.checks) {
            judge_ = std::make_unique<Judge>(*machine_, *obligations_, watch_->log(), *this, offline, online);
            machine_->records().add_consumer(*judge_);
            watch_->add(*judge_);
        }
        for (FiringObserver* observer : options.firing_observers)
            watch_->add(*observer);
        performer_->observe(obligations_.get(), judge_.get());
    }
    for (sim::RecordConsumer* consumer : options.consumers)
        machine_->records().add_consumer(*consumer);
    script_ = std::make_unique<Script>(*machine_, *performer_, scenario.script);
    load_context_ = std::make_unique<LoadContext>(LoadContext{*machine_, *performer_, verbs_, until_});
    load_ = make_load(*load_context_, scenario, static_cast<TimerIndex>(scenario.timers.size()));
}

Experiment::~Experiment() = default;

std::string_view Experiment::timer_name(TimerIndex timer) const { return names_[timer]; }

TimerIndex Experiment::timer_index(std::string_view name) const {
    const auto at = std::find(names_.begin(), names_.end(), name);
    return at == names_.end() ? sim::kNoTimer : static_cast<TimerIndex>(at - names_.begin());
}

std::uint64_t Experiment::timer_operation_begins(Cpu& cpu, TimerIndex timer, sim::TimerRole role,
                                                 const sim::TimerPromise& promise) {
    return performer_->begin(cpu, timer, role, promise);
}

void Experiment::timer_operation_done(Cpu& cpu, std::uint64_t operation) { performer_->end(cpu, operation); }

void Experiment::stop() {
    stopped_ = true;
    machine_->stop();
}

void Experiment::timer_fired(Cpu& cpu, TimerIndex timer) {
    const sim::Frame frame(cpu, "timer callback");
    const std::uint64_t name = machine_->intern(names_[timer]);
    const sim::Cause outer = cpu.cause();
    const sim::RecordId begun = cpu.record(kCallbackBeginRecord, name);
    if (obligations_) {
        Firing firing;
        std::optional<Finding> finding = obligations_->fired(timer, cpu.id(), cpu.local_time(), firing);
        if (!finding) {
            firing.record = begun;
            note(firing);
        } else if (options_.checks) {
            performer_->fail(cpu, timer, std::move(*finding));
        }
    }
    (void)cpu.set_cause({begun, sim::mix(outer.root, sim::name_hash(names_[timer]))});
    run_callback(cpu, timer);
    cpu.record(kCallbackEndRecord, name);
    (void)cpu.set_cause(outer);
    if (obligations_)
        obligations_->finished(timer, cpu.id());
}

void Experiment::note(const Firing& firing) {
    TimerFigures& f = figures_[firing.timer];
    const Duration late = firing.at - firing.not_before - firing.early_by;
    ++f.fired;
    f.last_cpu = firing.cpu;
    f.first_fired = std::min(f.first_fired, firing.at);
    f.late_min = std::min(f.late_min, late);
    f.late_max = std::max(f.late_max, late);
    lateness_.add(static_cast<std::uint64_t>(std::max(late, Duration::zero()).count()));
    watch_->fired(firing);
}

void Experiment::run_callback(Cpu& cpu, TimerIndex timer) {
    if (timer >= scenario_.timers.size()) {
        const Duration period = load_timers_[timer - scenario_.timers.size()].period;
        if (period == Duration::zero())
            return;
        // From one expiry to the next; those that were missed are left out.
        Time& next = next_period_[timer];
        next = next == sim::kBoot ? cpu.local_time() + period : next + period;
        if (next <= cpu.local_time())
            next += ((cpu.local_time() - next) / period + 1) * period;
        rearm(cpu, timer, next);
        return;
    }
    const CallbackScript& script = scenario_.timers[timer].callback;
    sim::SpinLock* const lock = lock_of_timer_[timer];
    if (lock)
        lock->acquire(cpu);
    if (script.spend > Duration::zero())
        cpu.spend_time(script.spend);
    if (script.rearm)
        rearm(cpu, timer, sim::saturating_add(cpu.local_time(), *script.rearm));
    for (const sim::VerbCall& call : script.then)
        performer_->perform_here(cpu, call);
    if (lock)
        lock->release(cpu);
}

void Experiment::rearm(Cpu& cpu, TimerIndex timer, Time expires) {
    if (verbs_.arm)
        performer_->perform_here(cpu, verbs_.arm_call(timer, expires));
}

std::vector<Time> Experiment::stops() const {
    std::vector<Time> stops;
    for (const Expectation& e : scenario_.expect)
        if (const auto* state = std::get_if<StateExpectation>(&e); state && state->at < until_)
            stops.push_back(state->at);
    const Duration step =
        std::max((until_ - sim::kBoot) / static_cast<std::int64_t>(std::max(1u, options_.looks)), Duration{1});
    for (Time t = sim::kBoot + step; t < until_; t += step)
        stops.push_back(t);
    stops.push_back(until_);
    std::sort(stops.begin(), stops.end());
    stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
    return stops;
}

bool Experiment::stretch(Time until) {
    end_ = machine_->run(until, scenario_.max_steps);
    // A consumer may have found a verdict in the records that the end of the stretch committed.
    if (machine_->verdict())
        end_ = machine_->run(until, scenario_.max_steps);
    if (stopped_ && end_ == sim::RunEnd::kTime)
        end_ = sim::RunEnd::kStopped;
    reached_ = end_ == sim::RunEnd::kTime ? until : machine_->now();
    return end_ == sim::RunEnd::kTime;
}

bool Experiment::look(bool last) {
    if (!judge_)
        return true;
    if (std::optional<Finding> finding = judge_->look(reached_, last)) {
        machine_->fail(*finding->check, std::move(finding->message), finding->cpu, finding->record);
        loss_ = finding->loss;
        end_ = machine_->run(reached_, scenario_.max_steps);
    }
    return !machine_->verdict();
}

void Experiment::run() {
    script_->start();
    for (const std::unique_ptr<LoadSource>& source : load_)
        source->start();
    for (const Time stop : stops()) {
        if (!stretch(stop))
            break;
        for (std::size_t i = 0; i < scenario_.expect.size(); ++i)
            if (const auto* state = std::get_if<StateExpectation>(&scenario_.expect[i]))
                if (state->at == stop || (state->at == sim::kNever && stop == until_))
                    readings_.push_back({i, kernel_->state(state->path)});
        if (!look(stop == until_))
            break;
    }
    const bool complete = end_ == sim::RunEnd::kTime && until_ == sim::kBoot + scenario_.duration;
    results_ =
        judge_expectations(scenario_, {figures_, readings_, machine_->verdict(), complete, obligations_ != nullptr});
}

}  // namespace ticklab::lab
