#include "ticklab/lab/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "ticklab/lab/load_decls.hpp"
#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {
namespace {

using sim::Cause;
using sim::CpuId;
using sim::Duration;
using sim::Site;
using sim::Time;
using sim::TimerIndex;
using sim::ValueType;

inline constexpr Site kArrival{"load.arrival", "time to the next event of a rate"};
inline constexpr Site kTimeout{"load.timeout", "time from arming to expiry"};
inline constexpr Site kCancelled{"load.cancelled", "whether a timer will be cancelled before it expires"};
inline constexpr Site kCancelAt{"load.cancel_at", "when within its time a timer is cancelled"};
inline constexpr Site kBusy{"load.busy", "how long a CPU runs user code"};
inline constexpr Site kIdle{"load.idle", "how long a CPU has no user code"};
inline constexpr Site kOnline{"load.online", "how long a CPU stays online"};
inline constexpr Site kOffline{"load.offline", "how long a CPU stays off-line"};
inline constexpr Site kSpend{"load.spend", "how long an interrupt handler takes"};
constexpr std::array<const Site*, 9> kSites{&kArrival, &kTimeout, &kCancelled, &kCancelAt, &kBusy,
                                            &kIdle,    &kOnline,  &kOffline,   &kSpend};

constexpr std::uint64_t kPartsPerMillion = 1'000'000;
/// Rates are events in 1000 s.
constexpr std::uint64_t kRatePeriodPs = 1'000'000'000'000'000;

std::int64_t count_argument(const Load& load, std::size_t i) { return std::get<std::int64_t>(*load.arguments[i]); }

/// Timers that one CPU of the entry needs.
std::size_t timers_a_cpu(const Load& load) {
    switch (load_generator_of(*load.generator)) {
        case LoadGenerator::kTimerChurn:
            return static_cast<std::size_t>(count_argument(load, 3));
        case LoadGenerator::kTimerPeriodic:
            return static_cast<std::size_t>(count_argument(load, 1));
        default:
            return 0;
    }
}

/// "timer.churn#0": stable under changes of other generators.
std::vector<std::string> entry_names(const std::vector<Load>& loads) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < loads.size(); ++i) {
        const auto before = std::count_if(loads.begin(), loads.begin() + static_cast<std::ptrdiff_t>(i),
                                          [&](const Load& l) { return l.generator == loads[i].generator; });
        names.push_back(fmt::format("{}#{}", loads[i].generator->name, before));
    }
    return names;
}

class TimerChurn final : public LoadSource {
public:
    TimerChurn(LoadContext& context, const Load& load, CpuId cpu, const std::string& owner, TimerIndex first_timer)
        : LoadSource(context, load, cpu, owner),
          first_timer_(first_timer),
          cancel_at_(timers_a_cpu(load), sim::kNever) {}

private:
    Time first() override { return next_arm_ = load_.from + gap(0); }

    Time act(Time at, const Cause& cause) override {
        while (!cancels_.empty() && cancels_.begin()->first <= at) {
            const std::size_t i = cancels_.begin()->second;
            cancels_.erase(cancels_.begin());
            cancel_at_[i] = sim::kNever;
            if (online())
                perform(context_.verbs.cancel_call(timer(i)), cause);
        }
        if (next_arm_ <= at) {
            arm_one(at, cause);
            next_arm_ = at + gap(0);
        }
        return cancels_.empty() ? next_arm_ : std::min(next_arm_, cancels_.begin()->first);
    }

    void arm_one(Time at, const Cause& cause) {
        const std::size_t i = turn_++ % cancel_at_.size();
        const Duration timeout = span(1, kTimeout);
        if (cancel_at_[i] != sim::kNever) {
            cancels_.erase({cancel_at_[i], i});
            cancel_at_[i] = sim::kNever;
        }
        if (online())
            perform(context_.verbs.arm_call(timer(i), sim::saturating_add(at, timeout)), cause);
        if (context_.verbs.cancel && draw(kCancelled, kPartsPerMillion) < static_cast<std::uint64_t>(count(2))) {
            cancel_at_[i] =
                at + Duration{static_cast<std::int64_t>(draw(kCancelAt, static_cast<std::uint64_t>(timeout.count())))};
            cancels_.insert({cancel_at_[i], i});
        }
    }

    void perform(sim::VerbCall call, const Cause& cause) {
        call.cause = cause;
        context_.performer.start(cpu_, call, false);
    }
    TimerIndex timer(std::size_t i) const { return first_timer_ + static_cast<TimerIndex>(i); }

    TimerIndex first_timer_;
    std::size_t turn_ = 0;
    Time next_arm_ = sim::kBoot;
    std::vector<Time> cancel_at_;
    std::set<std::pair<Time, std::size_t>> cancels_;
};

class TimerPeriodic final : public LoadSource {
public:
    TimerPeriodic(LoadContext& context, const Load& load, CpuId cpu, const std::string& owner, TimerIndex first_timer)
        : LoadSource(context, load, cpu, owner), first_timer_(first_timer) {}

private:
    Time first() override { return load_.from; }

    /// Arms each once; from then on the callback does.
    Time act(Time at, const Cause& cause) override {
        if (!online())
            return at + period();
        for (TimerIndex i = 0; i < static_cast<TimerIndex>(count(1)); ++i) {
            sim::VerbCall call = context_.verbs.arm_call(first_timer_ + i, at + period());
            call.cause = cause;
            context_.performer.start(cpu_, call, false);
        }
        return sim::kNever;
    }
    Duration period() const { return std::get<Duration>(*load_.arguments[0]); }

    TimerIndex first_timer_;
};

class CpuDuty final : public LoadSource {
public:
    using LoadSource::LoadSource;

private:
    Time first() override { return load_.from; }
    Time act(Time at, const Cause&) override {
        busy_ = !busy_;
        const Time next = at + (busy_ ? span(0, kBusy) : span(1, kIdle));
        context_.machine.set_busy(cpu_, busy_ ? next : sim::kBoot);
        return next;
    }
    bool busy_ = false;
};

class CpuCycle final : public LoadSource {
public:
    using LoadSource::LoadSource;

private:
    Time first() override { return load_.from + span(0, kOnline); }
    Time act(Time at, const Cause& cause) override {
        // The boot CPU cannot be taken down; it is the control CPU of all the others.
        if (cpu_ == 0)
            return sim::kNever;
        down_ = !down_;
        sim::VerbCall call;
        call.verb =
            &machine_verbs()[static_cast<std::size_t>(down_ ? MachineVerb::kCpuOffline : MachineVerb::kCpuOnline)];
        call.arguments.emplace_back(std::int64_t{cpu_});
        call.cause = cause;
        context_.performer.start(0, call, true);
        return at + (down_ ? span(1, kOffline) : span(0, kOnline));
    }
    bool down_ = false;
};

class IrqNoise final : public LoadSource {
public:
    using LoadSource::LoadSource;

private:
    Time first() override { return load_.from + gap(0); }
    Time act(Time at, const Cause& cause) override {
        const Duration length = span(1, kSpend);
        if (online())
            context_.machine.run_in_irq(cpu_, cause, [length](sim::Cpu& cpu) { cpu.spend_time(length); });
        return at + gap(0);
    }
};

}  // namespace

std::span<const Site* const> load_sites() { return kSites; }

TimerVerbs TimerVerbs::of(const sim::KernelDecl& kernel) {
    TimerVerbs verbs;
    for (const sim::VerbDecl& verb : kernel.verbs) {
        bool has_timer = false;
        bool has_time = false;
        bool needs_more = false;
        for (const sim::ParameterDecl& p : verb.parameters) {
            if (p.type == ValueType::kTimer && !has_timer)
                has_timer = true;
            else if (p.type == ValueType::kTime && !has_time)
                has_time = true;
            else if (p.required)
                needs_more = true;
        }
        if (needs_more || !has_timer)
            continue;
        if (verb.role == sim::TimerRole::kArm && has_time && !verbs.arm)
            verbs.arm = &verb;
        if ((verb.role == sim::TimerRole::kCancel || verb.role == sim::TimerRole::kSyncCancel) && !verbs.cancel)
            verbs.cancel = &verb;
    }
    return verbs;
}

sim::VerbCall TimerVerbs::arm_call(TimerIndex timer, Time expires) const {
    sim::VerbCall call = cancel_call(timer);
    call.verb = arm;
    call.arguments.assign(arm->parameters.size(), std::nullopt);
    call.arguments[parameter_of_type(*arm, ValueType::kTimer)] = std::int64_t{timer};
    call.arguments[parameter_of_type(*arm, ValueType::kTime)] = expires;
    return call;
}

sim::VerbCall TimerVerbs::cancel_call(TimerIndex timer) const {
    sim::VerbCall call;
    if (!cancel)
        return call;
    call.verb = cancel;
    call.arguments.assign(cancel->parameters.size(), std::nullopt);
    call.arguments[parameter_of_type(*cancel, ValueType::kTimer)] = std::int64_t{timer};
    return call;
}

std::vector<LoadTimer> load_timers(const Scenario& scenario) {
    std::vector<LoadTimer> timers;
    const std::vector<std::string> names = entry_names(scenario.load);
    for (std::size_t l = 0; l < scenario.load.size(); ++l) {
        const Load& load = scenario.load[l];
        Duration period{};
        if (load_generator_of(*load.generator) == LoadGenerator::kTimerPeriodic)
            period = std::get<Duration>(*load.arguments[0]);
        for (const CpuId cpu : load.cpus)
            for (std::size_t i = 0; i < timers_a_cpu(load); ++i)
                timers.push_back({fmt::format("{}/cpu{}/{}", names[l], cpu, i), cpu, period});
    }
    return timers;
}

std::vector<std::unique_ptr<LoadSource>> make_load(LoadContext& context, const Scenario& scenario,
                                                   TimerIndex first_timer) {
    std::vector<std::unique_ptr<LoadSource>> sources;
    const std::vector<std::string> names = entry_names(scenario.load);
    TimerIndex timer = first_timer;
    for (std::size_t l = 0; l < scenario.load.size(); ++l) {
        const Load& load = scenario.load[l];
        for (const CpuId cpu : load.cpus) {
            const std::string owner = fmt::format("{}/cpu{}", names[l], cpu);
            switch (load_generator_of(*load.generator)) {
                case LoadGenerator::kTimerChurn:
                    sources.push_back(std::make_unique<TimerChurn>(context, load, cpu, owner, timer));
                    break;
                case LoadGenerator::kTimerPeriodic:
                    sources.push_back(std::make_unique<TimerPeriodic>(context, load, cpu, owner, timer));
                    break;
                case LoadGenerator::kCpuDuty:
                    sources.push_back(std::make_unique<CpuDuty>(context, load, cpu, owner));
                    break;
                case LoadGenerator::kCpuCycle:
                    sources.push_back(std::make_unique<CpuCycle>(context, load, cpu, owner));
                    break;
                case LoadGenerator::kIrqNoise:
                    sources.push_back(std::make_unique<IrqNoise>(context, load, cpu, owner));
                    break;
            }
            timer += static_cast<TimerIndex>(timers_a_cpu(load));
        }
    }
    return sources;
}

LoadSource::LoadSource(LoadContext& context, const Load& load, CpuId cpu, const std::string& owner)
    : context_(context),
      load_(load),
      cpu_(cpu),
      owner_(sim::name_hash(owner)),
      name_(context.machine.intern(load.generator->name)),
      choices_(owner_),
      source_(context.machine.engine().add(sim::ActivityClass::kScript, *this)),
      emitter_{context.machine.engine().rank(source_), sim::kNoCpu, 0} {}

void LoadSource::start() {
    choices_.begin(sim::mix(owner_, events_++));
    arm(first());
}

void LoadSource::arm(Time at) {
    if (at < load_.until && at <= context_.end)
        context_.machine.engine().arm(source_, at);
}

void LoadSource::due(Time at) {
    const std::uint64_t root = sim::mix(owner_, events_++);
    choices_.begin(root);
    const sim::RecordId record =
        context_.machine.records().emit(emitter_, at, kLoadEventRecord, sim::RecordId{}, name_, cpu_);
    arm(act(at, Cause{record, root}));
}

Duration LoadSource::span(std::size_t argument, const Site& site) {
    Distribution d;
    if (const auto* fixed = std::get_if<Duration>(&*load_.arguments[argument]))
        d.low = *fixed;
    else
        d = std::get<Distribution>(*load_.arguments[argument]);
    sim::Choices& choices = context_.machine.choices();
    std::uint64_t ps = static_cast<std::uint64_t>(d.low.count());
    switch (d.shape) {
        case Distribution::Shape::kFixed:
            break;
        case Distribution::Shape::kUniform:
            ps += choices.draw(site, choices_, static_cast<std::uint64_t>((d.high - d.low).count()) + 1);
            break;
        case Distribution::Shape::kExponential:
            ps = choices.exponential(site, choices_, ps);
            break;
    }
    return Duration{static_cast<std::int64_t>(std::max<std::uint64_t>(ps, 1))};
}

Duration LoadSource::gap(std::size_t argument) {
    const std::uint64_t mean = kRatePeriodPs / static_cast<std::uint64_t>(count(argument));
    return Duration{static_cast<std::int64_t>(1 + context_.machine.choices().exponential(kArrival, choices_, mean))};
}

std::uint64_t LoadSource::draw(const Site& site, std::uint64_t bound) {
    return context_.machine.choices().draw(site, choices_, bound);
}

}  // namespace ticklab::lab
