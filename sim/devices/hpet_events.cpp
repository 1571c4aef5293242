// What happens in an HPET without an access: matches, and what they raise (HP 4, HP 5).
#include <cassert>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/devices/hpet.hpp"
#include "ticklab/sim/devices/hpet_records.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"

namespace ticklab::sim {

void Hpet::settle(Time at) {
    assert(at >= engine_.now());
    while (true) {
        Slot* next = &slots_.front();
        for (Slot& slot : slots_)
            if (engine_.armed_for(slot.source) < engine_.armed_for(next->source))
                next = &slot;
        const Time due_at = engine_.armed_for(next->source);
        if (due_at > at || due_at == kNever)
            break;
        perform(*next, due_at);
    }
    last_at_ = at;
}

void Hpet::perform(Slot& slot, Time at) {
    last_at_ = at;
    if (const auto compared = slot.timer.act(counter_, at))
        deliver(slot, at, *compared);
    rearm(slot, at);
}

void Hpet::rearm(Slot& slot, Time at) {
    slot.timer.rearm(counter_, at);
    if (slot.timer.next_event() == kNever)
        engine_.disarm(slot.source);
    else
        engine_.arm(slot.source, slot.timer.next_event());
}

void Hpet::rearm_all(Time at) {
    for (Slot& slot : slots_)
        rearm(slot, at);
}

void Hpet::run_or_halt(Time at) {
    const bool run = enabled() && !stopped();
    if (run && !counter_.running()) {
        counter_.restart_phase(at);
        for (Slot& slot : slots_)
            slot.timer.started();
    } else if (!run && counter_.running()) {
        counter_.stop(at);
        for (Slot& slot : slots_)
            slot.timer.halted(counter_, at);
    }
    rearm_all(at);
}

unsigned Hpet::pin_of(const Slot& slot) const {
    if (legacy_routing() && slot.index < 2)
        return slot.index == 0 ? kLegacyPinTimer0 : kLegacyPinTimer1;
    return slot.timer.route();
}

bool Hpet::line_wanted(const Slot& slot) const {
    return (status_ >> slot.index & 1) != 0 && slot.timer.int_enabled() && enabled() && slot.timer.level() &&
           !slot.timer.fsb_enabled();
}

void Hpet::deliver(Slot& slot, Time at, std::uint64_t compared) {
    const HpetTimer& timer = slot.timer;
    const std::uint64_t delivery = !timer.int_enabled()  ? delivery_names_.none
                                   : timer.fsb_enabled() ? delivery_names_.message
                                   : timer.level()       ? delivery_names_.level
                                                         : delivery_names_.edge;
    const RecordId record = records_.emit(emitter_, at, kHpetMatch, slot.armed_by.record, slot.index, counter_.read(at),
                                          compared, timer.active(), delivery);
    const Cause cause = caused(record, slot.armed_by);
    // The next match is a root operation of its own (MA 7.1).
    slot.armed_by.root = mix(slot.armed_by.root, slot.index);
    if (timer.level())
        status_ |= std::uint64_t{1} << slot.index;
    if (!timer.int_enabled())
        return;
    const std::uint32_t config_offset = hpet::timer_register(slot.index, hpet::kTimerConfiguration);
    if (timer.fsb_enabled()) {
        if (timer.level())
            diagnose(at, HpetDiagnostic::kFsbLevel, config_offset, 0, timer.config(), cause);
        sink_.send_message(at, timer.fsb() >> 32, static_cast<std::uint32_t>(timer.fsb()), cause);
        return;
    }
    const bool legacy = legacy_routing() && slot.index < 2;
    if (!legacy && !timer.can_route_to(timer.route()))
        diagnose(at, HpetDiagnostic::kRouteUnset, config_offset, 0, timer.config(), cause);
    if (timer.level())
        update_lines(at, cause);
    else
        sink_.pulse(at, slot.index, pin_of(slot), cause);
}

void Hpet::update_lines(Time at, Cause cause) {
    for (Slot& slot : slots_)
        if (slot.line && (!line_wanted(slot) || pin_of(slot) != slot.line_pin))
            set_line(slot, at, slot.line_pin, false, cause);
    for (Slot& slot : slots_)
        if (!slot.line && line_wanted(slot))
            set_line(slot, at, pin_of(slot), true, cause);
}

void Hpet::set_line(Slot& slot, Time at, unsigned pin, bool asserted, Cause cause) {
    slot.line = asserted;
    slot.line_pin = pin;
    const RecordId record = records_.emit(emitter_, at, kHpetLine, cause.record, slot.index, pin, asserted);
    sink_.set_line(at, slot.index, pin, asserted, caused(record, cause));
}

void Hpet::diagnose(const Access& a, HpetDiagnostic d) { diagnose(a.at, d, a.offset, a.bytes, a.value, a.cause); }

void Hpet::diagnose(Time at, HpetDiagnostic d, std::uint32_t offset, unsigned bytes, std::uint64_t value, Cause cause) {
    records_.emit(emitter_, at, kHpetDiagnostic, cause.record,
                  records_.intern(kHpetDiagnostics[static_cast<std::size_t>(d)].name), offset, bytes, value);
}

std::string Hpet::check_invariants() const {
    for (const Slot& slot : slots_) {
        const std::string where = "hpet timer " + std::to_string(slot.index) + ": ";
        if (std::string problem = slot.timer.problem(counter_, last_at_); !problem.empty())
            return problem;
        if (engine_.armed_for(slot.source) != slot.timer.next_event())
            return where + "the engine is armed for another instant (HP-I6)";
        if (!enabled() && engine_.armed(slot.source))
            return where + "an event is armed with overall enable 0 (HP-I5)";
        if (engine_.armed(slot.source) && engine_.armed_for(slot.source) < last_at_)
            return where + "a match is overdue (HP-P1)";
        if (slot.line != line_wanted(slot) || (slot.line && slot.line_pin != pin_of(slot)))
            return where + "the level line is not what status, enables and type say (HP-I4)";
        if (!slot.timer.level() && (status_ >> slot.index & 1) != 0)
            return where + "a status bit is set in edge mode (HP-D3)";
    }
    if (enabled() && !counter_.running() && !stopped())
        return "hpet: enabled, but the counter stands still (HP 2.2)";
    if (!enabled() && counter_.running())
        return "hpet: halted, but the counter runs (HP 2.2)";
    return {};
}

}  // namespace ticklab::sim
