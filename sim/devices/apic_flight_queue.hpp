// Messages in flight to one CPU, ordered by arrival (MA 3.5).
//
// Rules
//  - Equal arrivals keep the order of sending (LA-D6).
//  - Storage grows to the largest number ever in flight and is then reused: no allocation in the steady state.
//  - The number in flight is bounded; push() says when the bound is reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ticklab/sim/devices/apic_message.hpp"

namespace ticklab::sim {

class ApicFlightQueue {
public:
    /// Most messages in flight to one CPU: four from each CPU of the largest machine that is built in practice.
    static constexpr std::uint32_t kMaxInFlight = 1u << 16;

    bool empty() const { return count_ == 0; }
    std::uint32_t size() const { return count_; }
    /// The earliest message. The queue is not empty.
    const ApicMessage& front() const { return ring_[head_]; }
    void pop() {
        head_ = (head_ + 1) & (capacity() - 1);
        --count_;
    }

    /// Puts a message behind all that arrive no later. False, and nothing done, when the queue is full.
    bool push(const ApicMessage& message) {
        if (count_ == capacity() && !grow()) [[unlikely]]
            return false;
        std::uint32_t i = count_++;
        for (; i > 0 && at(i - 1).arrival > message.arrival; --i)
            at(i) = at(i - 1);
        at(i) = message;
        return true;
    }

    /// Takes out every message that `unwanted` approves, in order; returns how many.
    template <class Predicate>
    std::uint32_t remove_if(Predicate unwanted) {
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < count_; ++i)
            if (!unwanted(at(i)))
                at(kept++) = at(i);
        const std::uint32_t removed = count_ - kept;
        count_ = kept;
        return removed;
    }

private:
    static constexpr std::uint32_t kFirstCapacity = 4;

    std::uint32_t capacity() const { return static_cast<std::uint32_t>(ring_.size()); }
    ApicMessage& at(std::uint32_t i) { return ring_[(head_ + i) & (capacity() - 1)]; }
    bool grow() {
        if (capacity() >= kMaxInFlight)
            return false;
        std::vector<ApicMessage> larger(capacity() ? std::size_t{capacity()} * 2 : kFirstCapacity);
        for (std::uint32_t i = 0; i < count_; ++i)
            larger[i] = at(i);
        ring_.swap(larger);
        head_ = 0;
        return true;
    }

    std::vector<ApicMessage> ring_;
    std::uint32_t head_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace ticklab::sim
