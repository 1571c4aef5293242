#include "ticklab/sim/tsc.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ticklab/sim/devices/hpet_records.hpp"

namespace ticklab::sim {

Tsc::Tsc(RecordStream& records, Emitter& emitter, std::uint64_t hz, TscClass tsc_class)
    : records_(records),
      emitter_(emitter),
      class_(tsc_class),
      nominal_hz_(hz),
      p_state_hz_(hz),
      clock_(TickRate::of_frequency(hz)) {}

std::uint64_t Tsc::read_unordered(Time at, const SlackDraw& draw) const {
    const std::int64_t slack_ps = fault(TscFault::kUnorderedRead);
    if (slack_ps == 0)
        return read(at);
    const Duration early{static_cast<std::int64_t>(draw(static_cast<std::uint64_t>(slack_ps) + 1))};
    // What changes the TSC serialises, so no read is moved across it.
    return read(std::max(changed_at_, at - early));
}

void Tsc::write(Time at, std::uint64_t value, Cause cause) {
    adjust_ += value - read(at);
    clock_.set(at, value);
    changed(at, caused(records_.emit(emitter_, at, kTscWrite, cause.record, kMsrTsc, value, value, adjust_), cause));
}

void Tsc::write_adjust(Time at, std::uint64_t adjust, Cause cause) {
    clock_.step(adjust - adjust_);
    adjust_ = adjust;
    changed(at, caused(records_.emit(emitter_, at, kTscWrite, cause.record, kMsrTscAdjust, adjust, read(at), adjust),
                       cause));
}

void Tsc::reset(Time at, Cause cause) {
    clock_.set(at, 0);
    adjust_ = 0;
    changed(at, caused(records_.emit(emitter_, at, kTscReset, cause.record, read(at)), cause));
}

void Tsc::hot_add(Time at, Cause cause) {
    const LinearClock ideal(TickRate::of_frequency(nominal_hz_));
    clock_.set(at, ideal.read(at) + static_cast<std::uint64_t>(fault(TscFault::kSkew)));
    adjust_ = 0;
    changed(at, caused(records_.emit(emitter_, at, kTscReset, cause.record, read(at)), cause));
}

void Tsc::enter_deep_idle(Time at, Cause cause) {
    if (!stops_in_deep_idle() || !clock_.running())
        return;
    clock_.stop(at);
    changed(at, caused(records_.emit(emitter_, at, kTscStop, cause.record, read(at)), cause));
}

void Tsc::exit_deep_idle(Time at, Cause cause) {
    if (clock_.running())
        return;
    clock_.start(at);
    changed(at, caused(records_.emit(emitter_, at, kTscStart, cause.record, read(at)), cause));
}

void Tsc::set_p_state(Time at, std::uint64_t hz, Cause cause) {
    p_state_hz_ = hz;
    apply_rate(at, cause);
}

std::uint64_t Tsc::effective_hz() const {
    const bool follows = class_ == TscClass::kVariable || fault(TscFault::kFollowsPState) != 0;
    return follows ? p_state_hz_ : nominal_hz_;
}

void Tsc::apply_rate(Time at, Cause cause) {
    const std::int64_t drift_ppm = fault(TscFault::kDrift);
    const TickRate rate = TickRate::of_frequency(effective_hz()).drifted(drift_ppm);
    if (rate == clock_.rate())
        return;
    clock_.set_rate(at, rate);
    changed(at,
            caused(records_.emit(emitter_, at, kTscRate, cause.record, effective_hz(), drift_ppm, read(at)), cause));
}

void Tsc::set_fault(Time at, TscFault f, std::int64_t value, Cause cause) {
    const TscFaultInfo& info = kTscFaults[static_cast<std::size_t>(f)];
    if (value < info.min || value > info.max)
        throw std::invalid_argument("fault " + std::string(info.name) + ": found " + std::to_string(value) +
                                    ", expected " + std::to_string(info.min) + " to " + std::to_string(info.max));
    const auto old = static_cast<std::uint64_t>(fault(f));
    faults_[static_cast<std::size_t>(f)] = f == TscFault::kFirmwareWrite ? 0 : value;
    const auto ticks = static_cast<std::uint64_t>(value);
    if (f == TscFault::kSkew)
        clock_.step(ticks - old);
    if (f == TscFault::kFirmwareWrite) {
        clock_.step(ticks);
        adjust_ += ticks;
    }
    const RecordId record =
        records_.emit(emitter_, at, kTscFaultSet, cause.record, records_.intern(info.name), value, read(at), adjust_);
    if (f == TscFault::kSkew || f == TscFault::kFirmwareWrite)
        changed(at, caused(record, cause));
    apply_rate(at, caused(record, cause));
}

void Tsc::changed(Time at, Cause cause) {
    changed_at_ = at;
    for (ClockListener* listener : listeners_)
        listener->clock_changed(at, cause);
}

}  // namespace ticklab::sim
