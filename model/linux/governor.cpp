#include "ticklab/model/linux/governor.hpp"

#include <algorithm>
#include <numeric>

namespace ticklab::linux_ {

KtimeSpan Governor::typical(const History& history) {
    if (history.count < kIntervals)
        return KtimeSpan::max();
    const auto [shortest, longest] = std::minmax_element(history.intervals.begin(), history.intervals.end());
    if (*longest > 2 * *shortest)
        return KtimeSpan::max();
    return std::accumulate(history.intervals.begin(), history.intervals.end(), KtimeSpan::zero()) /
           static_cast<std::int64_t>(kIntervals);
}

unsigned Governor::deepest_for(KtimeSpan sleep) const {
    const sim::MachineConfig& config = machine_.config();
    // Nothing replaces a clock that stops.
    const bool deep_allowed = (config.arat || timers_replaced_) && config.tsc_class == sim::TscClass::kInvariant;
    unsigned chosen = 0;
    for (unsigned i = 1; i < config.c_states.size(); ++i) {
        const sim::CState& state = config.c_states[i];
        if (std::chrono::ceil<KtimeSpan>(state.target_residency) <= sleep && (deep_allowed || !state.deep))
            chosen = i;
    }
    return chosen;
}

unsigned Governor::shallower(unsigned c_state) const {
    while (c_state != 0 && machine_.config().c_states[c_state].deep)
        --c_state;
    return c_state;
}

Governor::Choice Governor::select(sim::Cpu& cpu) {
    cpu.spend(select_price_);
    const bool idle_tick = tick_.take_idle_tick(cpu);
    if (machine_.config().c_states.size() == 1)
        return {0, kind_ == GovernorKind::kAlways || idle_tick};
    KtimeSpan until_tick{};
    const KtimeSpan sleep = tick_.get_sleep_length(cpu, until_tick);
    if (kind_ == GovernorKind::kAlways)
        return {deepest_for(sleep), true};
    const KtimeSpan predicted = std::min(sleep, typical(history_[cpu.id()]));
    // A sleep that a tick does not cut short gains nothing from stopping it.
    if (predicted < tick_.tick_length() && !tick_.stopped(cpu))
        return {deepest_for(std::min(predicted, until_tick)), false};
    return {deepest_for(predicted), true};
}

void Governor::reflect(const sim::Cpu& cpu, KtimeSpan slept) {
    History& h = history_[cpu.id()];
    h.intervals[h.next] = slept;
    h.next = (h.next + 1) % kIntervals;
    h.count = std::min(h.count + 1, kIntervals);
}

}  // namespace ticklab::linux_
