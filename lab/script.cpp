#include "ticklab/lab/script.hpp"

#include <algorithm>
#include <type_traits>

#include "ticklab/lab/machine_verbs.hpp"
#include "ticklab/lab/scenario_records.hpp"

namespace ticklab::lab {
namespace {

using sim::mix;
using sim::Time;

std::uint64_t hash_of(const sim::Value& value) {
    return mix(value.index(), std::visit(
                                  [](const auto& v) -> std::uint64_t {
                                      using T = std::decay_t<decltype(v)>;
                                      if constexpr (std::is_same_v<T, std::string>)
                                          return sim::name_hash(v);
                                      else if constexpr (std::is_same_v<T, sim::Duration>)
                                          return static_cast<std::uint64_t>(v.count());
                                      else if constexpr (std::is_same_v<T, Time>)
                                          return static_cast<std::uint64_t>(sim::ps(v));
                                      else
                                          return static_cast<std::uint64_t>(v);
                                  },
                                  value));
}

bool holds(const Step& step) { return step.of_machine && machine_verb_of(*step.call.verb) == MachineVerb::kCpuHold; }

}  // namespace

std::uint64_t root_of(const Step& step) {
    std::uint64_t root = mix(sim::name_hash("step"), sim::name_hash(step.call.verb->name));
    root = mix(root, step.on.value_or(sim::kNoCpu));
    if (const Time* at = std::get_if<Time>(&step.trigger)) {
        root = mix(root, static_cast<std::uint64_t>(sim::ps(*at)));
    } else {
        const SiteTrigger& when = std::get<SiteTrigger>(step.trigger);
        root = mix(mix(mix(root, when.site->hash()), when.cpu.value_or(sim::kNoCpu)), when.nth);
    }
    for (const auto& argument : step.call.arguments)
        root = mix(root, argument ? hash_of(*argument) : 0);
    return root;
}

Script::Script(sim::Machine& machine, Performer& performer, const std::vector<Step>& steps)
    : machine_(machine),
      performer_(performer),
      steps_(steps),
      source_(machine.engine().add(sim::ActivityClass::kScript, *this)),
      emitter_{machine.engine().rank(source_), sim::kNoCpu, 0} {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        std::uint64_t root = root_of(steps[i]);
        // Twins are told apart by their number among themselves.
        while (std::find(roots_.begin(), roots_.end(), root) != roots_.end())
            root = mix(root, 1);
        roots_.push_back(root);
        if (std::holds_alternative<Time>(steps[i].trigger))
            timed_.push_back(i);
        else
            watched_.push_back({i});
    }
    std::stable_sort(timed_.begin(), timed_.end(), [&](std::size_t a, std::size_t b) {
        return std::get<Time>(steps[a].trigger) < std::get<Time>(steps[b].trigger);
    });
}

void Script::start() {
    if (!watched_.empty()) {
        beside_ = machine_.site_watcher();
        machine_.set_site_watcher(this);
    }
    arm_next();
}

void Script::arm_next() {
    if (next_ < timed_.size())
        machine_.engine().arm(source_, std::get<Time>(steps_[timed_[next_]].trigger));
}

void Script::due(Time at) {
    while (next_ < timed_.size() && std::get<Time>(steps_[timed_[next_]].trigger) <= at) {
        const std::size_t index = timed_[next_++];
        const Step& step = steps_[index];
        sim::VerbCall call = step.call;
        call.cause.root = roots_[index];
        call.cause.record = machine_.records().emit(emitter_, at, kStepRecord, sim::RecordId{}, index,
                                                    machine_.intern(call.verb->name));
        performer_.start(step.on.value_or(0), call, step.of_machine);
    }
    arm_next();
}

Time Script::hold(sim::Cpu& cpu, const Step& step) {
    return step.call.has(1) ? sim::saturating_add(cpu.local_time(), step.call.get<sim::Duration>(1)) : sim::kNever;
}

Time Script::reached(sim::Cpu& cpu, const sim::Site& site) {
    Time held = beside_ ? beside_->reached(cpu, site) : sim::kBoot;
    for (Watched& watched : watched_) {
        const Step& step = steps_[watched.step];
        const SiteTrigger& when = std::get<SiteTrigger>(step.trigger);
        if (watched.taken || when.site != &site || (when.cpu && *when.cpu != cpu.id()))
            continue;
        const bool is_hold = holds(step);
        if (is_hold && step.call.has(0) && step.call.get<std::int64_t>(0) != cpu.id())
            continue;
        if (++watched.seen != when.nth)
            continue;
        watched.taken = true;
        const sim::RecordId record = cpu.record(kStepRecord, watched.step, machine_.intern(step.call.verb->name));
        if (is_hold) {
            held = std::max(held, hold(cpu, step));
            continue;
        }
        sim::VerbCall call = step.call;
        call.cause = {record, roots_[watched.step]};
        performer_.start(step.on.value_or(cpu.id()), call, step.of_machine);
    }
    return held;
}

}  // namespace ticklab::lab
