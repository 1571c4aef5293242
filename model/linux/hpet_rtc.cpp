#include "ticklab/model/linux/hpet_rtc.hpp"

#include <fmt/format.h>

#include "ticklab/model/linux/checks.hpp"
#include "ticklab/model/linux/rtc_counter.hpp"
#include "ticklab/model/linux/rtc_records.hpp"
#include "ticklab/model/linux/sites.hpp"
#include "ticklab/model/linux/vectors.hpp"
#include "ticklab/sim/devices/hpet_registers.hpp"
#include "ticklab/sim/devices/hpet_timer.hpp"
#include "ticklab/sim/machine.hpp"

namespace ticklab::linux_ {

using sim::Cpu;
using sim::CpuId;
using sim::Frame;

namespace {

constexpr unsigned kRtcTimer = 1;
/// Polls a second where the periodic interrupt needs no more: alarm and update are looked for at this rate (HP 10.1).
constexpr unsigned kPollHz = 64;
/// What the RTC's own driver sets when it finds the device.
constexpr unsigned kRateAtBoot = 1024;

constexpr std::uint32_t comparator_register() {
    return sim::hpet::timer_register(kRtcTimer, sim::hpet::kTimerComparator);
}
constexpr std::uint32_t configuration_register() {
    return sim::hpet::timer_register(kRtcTimer, sim::hpet::kTimerConfiguration);
}

}  // namespace

HpetRtc::HpetRtc(sim::Machine& machine, HpetBlock& block, const LinuxChanges& changes, sim::Duration time_at_boot)
    : machine_(machine),
      block_(block),
      changes_(changes),
      time_at_boot_(time_at_boot),
      rtc_read_(machine.price("rtc_read")),
      lock_(machine, machine.lock_class("rtc"), "rtc"),
      state_(lock_) {}

void HpetRtc::set_up(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!block_.take_into_use(cpu))
        return;
    lock_.acquire(cpu);
    State& state = state_.write(cpu);
    state.default_delta = static_cast<std::uint32_t>(block_.rate_hz() / kPollHz);
    choose_rate(state, kRateAtBoot);
    cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer1, 0, kRtcVector);
    aim_at(cpu, state, cpu.id());
    lock_.release(cpu);
}

void HpetRtc::aim_at(Cpu& cpu, State& state, CpuId target) {
    state.target = target;
    cpu.io_apic_write_entry(sim::Hpet::kLegacyPinTimer1, 1, target << 24);
}

void HpetRtc::choose_rate(State& state, unsigned rate_hz) const {
    state.rate_hz = rate_hz;
    if (rate_hz <= kPollHz) {
        state.pie_limit = kPollHz / rate_hz;
        return;
    }
    state.pie_delta = static_cast<std::uint32_t>(block_.rate_hz() / rate_hz);
    // Before, a limit that a slow rate had set stayed, and with it the slow polls.
    if (changes_.rtc_rate_clears_limit)
        state.pie_limit = 0;
}

std::uint32_t HpetRtc::delta(const State& state) {
    const bool polls = (state.enabled & kRtcPeriodic) == 0 || state.pie_limit != 0;
    return polls ? state.default_delta : state.pie_delta;
}

void HpetRtc::set_rate(Cpu& cpu, unsigned rate_hz) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!block_.in_use())
        return;
    const bool irqs = lock_.acquire_irqsave(cpu);
    State& state = state_.write(cpu);
    choose_rate(state, rate_hz);
    record_mask(cpu, state);
    lock_.release_restore(cpu, irqs);
}

void HpetRtc::set_alarm(Cpu& cpu, const RtcTime& alarm) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const bool irqs = lock_.acquire_irqsave(cpu);
    state_.write(cpu).alarm = alarm;
    lock_.release_restore(cpu, irqs);
}

void HpetRtc::enable(Cpu& cpu, unsigned kinds) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!block_.in_use())
        return;
    const bool irqs = lock_.acquire_irqsave(cpu);
    State& state = state_.write(cpu);
    const unsigned before = state.enabled;
    state.enabled |= kinds;
    // So that the first poll reports no update.
    if ((kinds & ~before & kRtcUpdate) != 0)
        state.previous_second = kUnknownSecond;
    record_mask(cpu, state);
    if (before == 0)
        start(cpu, state);
    lock_.release_restore(cpu, irqs);
}

void HpetRtc::disable(Cpu& cpu, unsigned kinds) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    if (!block_.in_use())
        return;
    const bool irqs = lock_.acquire_irqsave(cpu);
    State& state = state_.write(cpu);
    state.enabled &= ~kinds;
    record_mask(cpu, state);
    lock_.release_restore(cpu, irqs);
}

void HpetRtc::start(Cpu& cpu, State& state) {
    const sim::Time began = cpu.local_time();
    state.t1_cmp = static_cast<std::uint32_t>(cpu.hpet_read(sim::hpet::kMainCounter)) + delta(state);
    cpu.at(sites::kRtcFirstComparator);
    write_comparator(cpu, state);
    cpu.hpet_write(configuration_register(), sim::hpet_timer_bits::k32Mode | sim::hpet_timer_bits::kIntEnable);
    note_match(cpu, state);
    cpu.record(kRtcProgramRecord, static_cast<std::uint32_t>(state.t1_cmp), delta(state), 0);
    if (changes_.rtc_start_compared && !ahead(cpu, state))
        rearm(cpu, state, 1);
    check_ahead(cpu, state, began, checks::kRtcNotStarted);
}

void HpetRtc::write_comparator(Cpu& cpu, const State& state) {
    cpu.hpet_write(comparator_register(), static_cast<std::uint32_t>(state.t1_cmp));
}

void HpetRtc::note_match(Cpu& cpu, State& state) const {
    state.programmed_at = cpu.local_time();
    state.match_at = machine_.hpet().next_event(kRtcTimer);
}

bool HpetRtc::ahead(Cpu& cpu, const State& state) const {
    const auto counter = static_cast<std::uint32_t>(cpu.hpet_read(sim::hpet::kMainCounter));
    return changes_.rtc_compares_32_bits ? counter_ahead(static_cast<std::uint32_t>(state.t1_cmp), counter)
                                         : counter_ahead_in_64_bits(state.t1_cmp, counter);
}

void HpetRtc::rearm(Cpu& cpu, State& state, std::uint64_t lost) {
    if (state.enabled == 0) {
        cpu.hpet_write(configuration_register(), sim::hpet_timer_bits::k32Mode);
        return;
    }
    const sim::Time matched_at = state.match_at;
    const std::uint32_t step = delta(state);
    for (;; ++lost) {
        state.t1_cmp += step;
        write_comparator(cpu, state);
        note_match(cpu, state);
        if (ahead(cpu, state))
            break;
    }
    state.counters.lost += lost;
    if ((state.enabled & kRtcPeriodic) != 0)
        state.pie_count += lost;
    cpu.record(kRtcProgramRecord, static_cast<std::uint32_t>(state.t1_cmp), step, lost);
    check_rate(cpu, state);
    check_ahead(cpu, state, matched_at, checks::kRtcStalled);
}

bool HpetRtc::alarm_wanted(const State& state) const {
    // Before, whoever had periodic interrupts got the alarm, and who had asked for it did not.
    return (state.enabled & (changes_.rtc_alarm_by_its_bit ? kRtcAlarm : kRtcPeriodic)) != 0;
}

unsigned HpetRtc::due(Cpu& cpu, State& state) {
    unsigned kinds = 0;
    RtcTime now;
    const bool knows_time = (state.enabled & (kRtcUpdate | kRtcAlarm)) != 0;
    if (knows_time) {
        cpu.spend(rtc_read_);
        now = time_at(cpu.local_time());
    }
    if ((state.enabled & kRtcUpdate) != 0 && state.previous_second != now.second) {
        if (state.previous_second != kUnknownSecond)
            kinds |= kRtcUpdate;
        state.previous_second = now.second;
    }
    if ((state.enabled & kRtcPeriodic) != 0 && ++state.pie_count >= state.pie_limit) {
        kinds |= kRtcPeriodic;
        state.pie_count = 0;
    }
    const bool alarm_time = knows_time && now == state.alarm;
    if (alarm_wanted(state) && alarm_time)
        kinds |= kRtcAlarm;
    if (alarm_time && ((kinds ^ state.enabled) & kRtcAlarm) != 0)
        cpu.fail(checks::kRtcAlarm,
                 fmt::format("at {:02}:{:02}:{:02} by the RTC the alarm is {}enabled and {}reported", now.hour,
                             now.minute, now.second, (state.enabled & kRtcAlarm) != 0 ? "" : "not ",
                             (kinds & kRtcAlarm) != 0 ? "" : "not "));
    return kinds;
}

void HpetRtc::report(Cpu& cpu, State& state, unsigned kinds) {
    state.counters.periodic += (kinds & kRtcPeriodic) != 0;
    state.counters.alarms += (kinds & kRtcAlarm) != 0;
    state.counters.updates += (kinds & kRtcUpdate) != 0;
    cpu.record(kRtcInterruptRecord, (kinds & kRtcPeriodic) != 0, (kinds & kRtcAlarm) != 0, (kinds & kRtcUpdate) != 0);
}

void HpetRtc::interrupt(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    const Frame frame(cpu, "rtc interrupt");
    lock_.acquire(cpu);
    State& state = state_.write(cpu);
    ++state.counters.interrupts;
    rearm(cpu, state, 0);
    if (const unsigned kinds = due(cpu, state))
        report(cpu, state, kinds);
    lock_.release(cpu);
}

void HpetRtc::dying(Cpu& cpu) {
    const sim::CodeScope code(cpu, sim::Code::kTimer);
    lock_.acquire(cpu);
    State& state = state_.write(cpu);
    if (state.target == cpu.id()) {
        const Cpu* const heir = machine_.first_online(cpu.id());
        cpu.require(heir, "the last CPU goes off-line");
        aim_at(cpu, state, heir->id());
        // An interrupt that has come here already is lost with the CPU, so nobody would move the comparator on.
        if (state.enabled != 0 && !ahead(cpu, state))
            rearm(cpu, state, 1);
    }
    lock_.release(cpu);
}

RtcTime HpetRtc::time_at(sim::Time now) const {
    const auto seconds = static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch() + time_at_boot_).count());
    return {static_cast<unsigned>(seconds / 3600 % 24), static_cast<unsigned>(seconds / 60 % 60),
            static_cast<unsigned>(seconds % 60)};
}

void HpetRtc::record_mask(Cpu& cpu, const State& state) const {
    cpu.record(kRtcMaskRecord, (state.enabled & kRtcPeriodic) != 0, (state.enabled & kRtcAlarm) != 0,
               (state.enabled & kRtcUpdate) != 0, state.rate_hz);
}

sim::Duration HpetRtc::half_wrap() const {
    constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
    return sim::Duration{static_cast<std::int64_t>(sim::UInt128{machine_.hpet().params().period_fs} * kHalf / 1'000)};
}

void HpetRtc::check_rate(Cpu& cpu, const State& state) const {
    if ((state.enabled & kRtcPeriodic) == 0)
        return;
    // Ticks between two reports, which rounding makes shorter by less than a tick for each poll.
    const std::uint64_t polls = state.pie_limit == 0 ? 1 : state.pie_limit;
    const std::uint64_t ticks = delta(state) * polls;
    const std::uint64_t wanted = block_.rate_hz() / state.rate_hz;
    if (ticks > wanted || ticks + polls < wanted)
        cpu.fail(checks::kRtcRate,
                 fmt::format("periodic interrupts come every {} ticks of the HPET, {} Hz are {} ticks", ticks,
                             state.rate_hz, wanted));
}

void HpetRtc::check_ahead(Cpu& cpu, const State& state, sim::Time since, const sim::CheckDecl& check) const {
    const bool in_range = since != sim::kNever && cpu.local_time() - since < half_wrap();
    if (in_range && (state.match_at == sim::kNever || state.match_at - state.programmed_at > half_wrap()))
        cpu.fail(check,
                 fmt::format("comparator {:#010x} was written with the counter at {:#010x}, ahead by {} ticks at most",
                             static_cast<std::uint32_t>(state.t1_cmp),
                             static_cast<std::uint32_t>(machine_.hpet().counter(state.programmed_at)), delta(state)));
}

}  // namespace ticklab::linux_
