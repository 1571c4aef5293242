// The timer object of the wheel and its flag word (LTW 3.1, 3.2).
//
// Rules
//  (1) The base that `flags` name guards everything here. Without its lock, `flags`, `pending` and `expires` may be
//      read as hints, at the price of `line`, on which they all lie.
//  (2) While kMigrating is set the timer is between two bases and on no list, and nobody may lock a base for it.
//  (3) Class and owner of a timer are its flags: they must not change while it is pending, but for the owner of a timer
//      whose CPU died (LTW 13.2).
//  (4) A callback may free its timer: whoever runs it does not touch the timer after the call (LTW 9.3).
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <limits>

#include "ticklab/model/linux/ktime.hpp"
#include "ticklab/sim/cache_line.hpp"
#include "ticklab/sim/kernel.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::sim {
class Cpu;
}

namespace ticklab::linux_ {

namespace timer_flags {
inline constexpr std::uint32_t kCpuMask = 0x0003'ffff;
inline constexpr std::uint32_t kMigrating = 0x0004'0000;
inline constexpr std::uint32_t kDeferrable = 0x0008'0000;
inline constexpr std::uint32_t kPinned = 0x0010'0000;
inline constexpr std::uint32_t kIrqSafe = 0x0020'0000;
/// What may be given at initialisation.
inline constexpr std::uint32_t kInitMask = kDeferrable | kPinned | kIrqSafe;
/// What names the base.
inline constexpr std::uint32_t kBaseMask = kCpuMask | kMigrating;
inline constexpr unsigned kArrayShift = 22;
inline constexpr std::uint32_t kArrayMask = 0xffc0'0000;
}  // namespace timer_flags

/// The three bases of a CPU (LTW 3.3), in the order in which they are locked.
enum class BaseIndex : std::uint8_t { kLocal, kGlobal, kDeferrable };
inline constexpr std::size_t kBasesPerCpu = 3;

struct Timer;
/// Runs in the TIMER softirq, interrupts enabled unless the timer is irq-safe; no base lock held.
using TimerFunction = void (*)(sim::Cpu& cpu, Timer& timer, void* argument);

/// Linked into whichever list holds it; knows how to leave it without knowing the list.
using TimerHook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Timer {
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    static constexpr std::uint32_t kNoNumber = std::numeric_limits<std::uint32_t>::max();

    TimerHook hook;
    Jiffies expires;
    /// When its bucket is collected; written with the bucket.
    Jiffies bucket_expiry;
    std::uint32_t flags = 0;
    /// Queued, or detached by an operation that will queue it again.
    bool pending = false;
    /// Null once the timer was shut down (LTW 8.2), or before its initialisation.
    TimerFunction function = nullptr;
    void* argument = nullptr;
    sim::CacheLine line;

    /// The CPU that armed it, or on which it was added or taken over: where it is if it is pinned (LPP Q6).
    sim::CpuId armed_on = sim::kNoCpu;
    /// The placement chose another CPU than the one that armed it.
    bool pushed = false;
    /// The operation that queued it: cause of the expiry.
    sim::Cause armed_by;
    /// Its name, and that of its function, in the machine's table.
    std::uint64_t object = 0;
    std::uint64_t function_name = 0;
    /// Its number in the scenario; kNoNumber for the kernel's own.
    std::uint32_t number = kNoNumber;

    sim::CpuId cpu() const { return flags & timer_flags::kCpuMask; }
    unsigned bucket() const { return flags >> timer_flags::kArrayShift; }
    void set_bucket(unsigned index) {
        flags = (flags & ~timer_flags::kArrayMask) | (index << timer_flags::kArrayShift);
    }
    bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
};

/// The base that a timer of these flags belongs to (LTW 3.3): deferrable wins over pinned. `one_base`: no base is for
/// timers that are not pinned (LPP 4.1).
constexpr BaseIndex base_index_of(std::uint32_t flags, bool one_base) {
    if (flags & timer_flags::kDeferrable)
        return BaseIndex::kDeferrable;
    return one_base || (flags & timer_flags::kPinned) ? BaseIndex::kLocal : BaseIndex::kGlobal;
}

using TimerList = boost::intrusive::list<Timer, boost::intrusive::member_hook<Timer, TimerHook, &Timer::hook>,
                                         boost::intrusive::constant_time_size<false>>;

}  // namespace ticklab::linux_
