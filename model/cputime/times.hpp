// CPU time: what is accounted, and the clocks made of it (LC 2.1).
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace ticklab::cputime {

/// CPU time, and instants of CPU clocks: whole nanoseconds (LC-D1).
using CpuTime = std::chrono::nanoseconds;

/// Selectors of a CPU clock: utime + stime, utime, sum_exec.
enum class ClockId : std::uint8_t { kProf, kVirt, kSched };
inline constexpr std::array kClocks{ClockId::kProf, ClockId::kVirt, ClockId::kSched};

/// The times of a thread or of a group.
struct Times {
    CpuTime utime{};     ///< sampled by the tick: whole ticks
    CpuTime stime{};     ///< likewise
    CpuTime sum_exec{};  ///< exact run time

    CpuTime of(ClockId clock) const {
        if (clock == ClockId::kSched)
            return sum_exec;
        return clock == ClockId::kVirt ? utime : utime + stime;
    }
    Times& operator+=(const Times& o) {
        utime += o.utime;
        stime += o.stime;
        sum_exec += o.sum_exec;
        return *this;
    }
    friend bool operator==(const Times&, const Times&) = default;
};

/// One of the fields of Times: what a hook accounts to.
using TimeField = CpuTime Times::*;
inline constexpr std::array<TimeField, 3> kTimeFields{&Times::utime, &Times::stime, &Times::sum_exec};

/// Field by field the greater one (LC 2.4).
inline Times max_of(const Times& a, const Times& b) {
    Times m;
    for (const TimeField f : kTimeFields)
        m.*f = std::max(a.*f, b.*f);
    return m;
}

/// The earliest expiry a clock; zero is none.
struct Expiries {
    std::array<CpuTime, kClocks.size()> at{};

    CpuTime& operator[](ClockId c) { return at[static_cast<std::size_t>(c)]; }
    CpuTime operator[](ClockId c) const { return at[static_cast<std::size_t>(c)]; }
    /// An expiry on clock `c` is the earliest one if it is earlier than what is there.
    void lower(ClockId c, CpuTime expires) {
        CpuTime& mine = (*this)[c];
        if (expires != CpuTime::zero() && (mine == CpuTime::zero() || expires < mine))
            mine = expires;
    }
    bool any() const {
        return std::any_of(at.begin(), at.end(), [](CpuTime t) { return t != CpuTime::zero(); });
    }
    bool due(const Times& now) const {
        return std::any_of(kClocks.begin(), kClocks.end(),
                           [&](ClockId c) { return (*this)[c] != CpuTime::zero() && now.of(c) >= (*this)[c]; });
    }
};

}  // namespace ticklab::cputime
