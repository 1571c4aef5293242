// Threads of the machine: what a fiber belongs to (MA 1).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ticklab/sim/choices.hpp"
#include "ticklab/sim/fiber.hpp"
#include "ticklab/sim/happens_before.hpp"
#include "ticklab/sim/record.hpp"

namespace ticklab::sim {

class Cpu;
class Mutex;

/// Order in which runnable threads of a CPU run; of one class, first come first served, and no thread is preempted
/// except by a higher class when it returns to user mode, leaves an interrupt at idle, or sleeps.
enum class ThreadClass : std::uint8_t { kStopper, kHotplug, kKernel, kScript, kUser, kIdle };

enum class ThreadState : std::uint8_t { kNew, kRunnable, kRunning, kBlocked, kFinished };

/// Whose work a CPU's cycles are, for figures alone: nothing that decides reads it.
enum class Code : std::uint8_t { kOther, kTimer };

/// Deepest chain of named frames kept for verdicts; deeper ones are counted but not named.
inline constexpr std::size_t kMaxFrames = 24;
/// Interrupts may nest this deep (one a priority class, LA-I2), plus the thread itself.
inline constexpr std::size_t kMaxContexts = 17;

class Thread {
public:
    using Body = std::function<void(Cpu&)>;

    Thread(std::string name, ThreadClass thread_class, std::uint64_t object);

    const std::string& name() const { return name_; }
    ThreadClass thread_class() const { return class_; }
    ThreadState state() const { return state_; }
    /// Index in the machine's name table.
    std::uint64_t object() const { return object_; }
    /// Sleeping locks it holds.
    const std::vector<const Mutex*>& held_mutexes() const { return held_mutexes_; }

private:
    friend class Mutex;
    friend class Cpu;
    friend class Machine;
    friend class Frame;
    friend class HotplugController;

    std::string name_;
    ThreadClass class_;
    ThreadState state_ = ThreadState::kNew;
    std::uint64_t object_;
    Cpu* cpu_ = nullptr;
    Body body_;
    Fiber fiber_;
    bool wake_pending_ = false;
    Cause wake_cause_;
    SyncClock sync_;
    std::array<const char*, kMaxFrames> frames_{};
    std::size_t frame_count_ = 0;
    ChoiceContext choices_;
    Cause cause_;
    bool irqs_enabled_ = true;
    Code code_ = Code::kOther;
    std::vector<const Mutex*> held_mutexes_;
};

}  // namespace ticklab::sim
