// How the local APIC drives its timer: register writes, events, the engine (LA 3, LA 10).
#include <cassert>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/devices/apic_records.hpp"
#include "ticklab/sim/devices/local_apic.hpp"

namespace ticklab::sim {

void LocalApic::program_timer() {
    const Time event_at = timer_.event_at();
    if (event_at == kNever)
        engine_.disarm(source_);
    else if (timer_.whole_period() > Duration::zero())
        engine_.arm_periodic(source_, event_at, timer_.whole_period());
    else
        engine_.arm(source_, event_at);
}

void LocalApic::due(Time at) {
    timer_event(at);
    // A source armed with a period has armed itself again.
    if (timer_.whole_period() == Duration::zero() && timer_.event_at() != kNever)
        engine_.arm(source_, timer_.event_at());
}

void LocalApic::timer_event(Time at) {
    assert(at == timer_.event_at());
    const std::uint32_t word = lvt(LvtEntry::kTimer);
    const auto vector = static_cast<std::uint8_t>(word);
    const bool masked = (word & apic::kLvtMasked) != 0;
    ++counters_.timer_events;
    const RecordId record = records_.emit(emitter_, at, kApicTimerEvent, timer_cause_.record,
                                          bus_.timer_mode_name(static_cast<unsigned>(timer_.mode())), vector, masked);
    timer_.expire();
    if (masked)
        ++counters_.timer_masked;
    else
        bus_.timer_interrupt(at, cpu_, vector, Cause{record, timer_cause_.root});
    // The next period is a root operation of its own (MA 7.1).
    timer_cause_.root = mix(timer_cause_.root, vector);
}

void LocalApic::settle(Time at) {
    if (timer_.event_at() > at) [[likely]]
        return;
    while (timer_.event_at() <= at)
        timer_event(timer_.event_at());
    program_timer();
}

void LocalApic::timer_written(Time at, std::uint64_t value, bool was_armed, Time old_event_at, Cause cause) {
    program_timer();
    if (timer_.armed()) {
        timer_cause_ = {
            records_.emit(emitter_, at, kApicTimerArm, cause.record,
                          bus_.timer_mode_name(static_cast<unsigned>(timer_.mode())), value, ps(timer_.event_at())),
            cause.root};
    } else if (was_armed) {
        records_.emit(emitter_, at, kApicTimerStop, cause.record, ps(old_event_at));
    }
}

AccessFault LocalApic::write_initial_count(Time at, unsigned, std::uint64_t value, Cause cause) {
    settle(at);
    if (timer_.mode() != ApicTimerMode::kOneShot && timer_.mode() != ApicTimerMode::kPeriodic)
        return AccessFault::kNone;
    const bool was_armed = timer_.armed();
    const Time old_event_at = timer_.event_at();
    timer_.write_initial_count(at, static_cast<std::uint32_t>(value));
    timer_written(at, value, was_armed, old_event_at, cause);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_deadline(Time at, std::uint64_t value, Cause cause) {
    settle(at);
    if (mode_ == Mode::kXapic && at < lvt_posted_until_) [[unlikely]] {
        hit(at, ApicFault::kDeadlineOvertakesLvt, cause);
        return AccessFault::kNone;
    }
    if (timer_.mode() != ApicTimerMode::kTscDeadline)
        return AccessFault::kNone;
    const bool was_armed = timer_.armed();
    const Time old_event_at = timer_.event_at();
    timer_.write_deadline(at, value);
    timer_written(at, value, was_armed, old_event_at, cause);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_divide(Time at, unsigned, std::uint64_t value, Cause cause) {
    settle(at);
    const Time old_event_at = timer_.event_at();
    timer_.write_divide_configuration(at, static_cast<std::uint32_t>(value));
    if (timer_.event_at() != old_event_at)
        timer_written(at, timer_.initial_count(), true, old_event_at, cause);
    return AccessFault::kNone;
}

AccessFault LocalApic::write_lvt_timer(Time at, unsigned, std::uint64_t value, Cause cause) {
    settle(at);
    auto word = static_cast<std::uint32_t>(value);
    if (!software_enabled())
        word |= apic::kLvtMasked;
    lvt_word(LvtEntry::kTimer) = word;
    const auto mode = static_cast<ApicTimerMode>((word & apic::kLvtTimerMode) >> apic::kLvtTimerModeShift);
    if (mode == timer_.mode())
        return AccessFault::kNone;
    const bool was_armed = timer_.armed();
    const Time old_event_at = timer_.event_at();
    timer_.set_mode(at, mode, fault(ApicFault::kModeChangeKeepsTimer) != 0);
    if (was_armed && timer_.armed())
        hit(at, ApicFault::kModeChangeKeepsTimer, cause);
    timer_written(at, timer_.initial_count(), was_armed, old_event_at, cause);
    if (mode == ApicTimerMode::kTscDeadline && mode_ == Mode::kXapic)
        if (const std::int64_t drain_ps = fault(ApicFault::kDeadlineOvertakesLvt))
            lvt_posted_until_ = at + Duration{drain_ps};
    return AccessFault::kNone;
}

std::uint64_t LocalApic::read_timer(Time at, unsigned index) const {
    if (index == apic::kInitialCount >> 4)
        return timer_.initial_count();
    if (index == apic::kCurrentCount >> 4)
        return timer_.current_count(at);
    return timer_.divide_configuration();
}

void LocalApic::deadline_clock_changed(Time at, Cause cause) {
    settle(at);
    const Time old_event_at = timer_.event_at();
    timer_.deadline_clock_changed(at);
    if (timer_.event_at() != old_event_at)
        timer_written(at, timer_.deadline(at), true, old_event_at, cause.record ? cause : timer_cause_);
}

void LocalApic::freeze(Time at) {
    settle(at);
    const Time event_at = timer_.event_at();
    const std::uint32_t count = timer_.current_count(at);
    timer_.freeze(at);
    program_timer();
    if (event_at != kNever)
        records_.emit(emitter_, at, kApicTimerFreeze, timer_cause_.record, count, ps(event_at));
}

void LocalApic::thaw(Time at) {
    timer_.thaw(at);
    program_timer();
    if (timer_.event_at() != kNever)
        records_.emit(emitter_, at, kApicTimerThaw, timer_cause_.record, ps(timer_.event_at()));
}

}  // namespace ticklab::sim
