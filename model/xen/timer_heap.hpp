// The binary min-heap of a CPU's timers (XT 1.4, 4.1 - 4.3).
//
// Rules
//  (1) Keyed by `expires`; slots from 1; the children of i are 2i and 2i + 1; each timer knows its slot (XT-I2).
//  (2) Never allocates: the owner grows it by replace(), from its softirq (XT 1.4). It is never shrunk.
//  (3) Starts on one array that all heaps share, of size and limit 0, which is never written and never freed.
//  (4) Ties are decided by the sift rules alone, which are fixed (XT 4.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticklab/model/xen/timer.hpp"

namespace ticklab::xen {

/// The array as it lies in memory: two 16-bit words of metadata, then `limit` slots.
struct alignas(Timer*) HeapArray {
    std::uint16_t size;
    std::uint16_t limit;
    /// The metadata takes the place of slot 0.
    Timer** slots() { return reinterpret_cast<Timer**>(this); }
};
static_assert(sizeof(HeapArray) == sizeof(Timer*));

class TimerHeap {
public:
    /// Largest limit that 16 bits can hold.
    static constexpr std::uint32_t kLimitMax = 65535;

    TimerHeap();
    TimerHeap(const TimerHeap&) = delete;
    TimerHeap& operator=(const TimerHeap&) = delete;

    std::uint32_t size() const { return array_->size; }
    std::uint32_t limit() const { return array_->limit; }
    bool empty() const { return array_->size == 0; }
    bool full() const { return array_->size == array_->limit; }
    /// Timer at slot `i`, 1 .. size().
    Timer& at(std::uint32_t i) const { return *array_->slots()[i]; }
    Timer& top() const { return at(1); }

    /// True if `t` landed on top. Where the heap is full, does nothing and leaves `t.heap_index` 0.
    bool insert(Timer& t);
    /// True if `t` was on top. `t` is in this heap.
    bool remove(Timer& t);

    /// Memory of an array of `limit` slots and its metadata.
    static constexpr std::size_t bytes_for(std::uint32_t limit) {
        return (static_cast<std::size_t>(limit) + 1) * sizeof(Timer*);
    }
    /// Goes on in `memory`, with the contents and a limit of `limit`, 1 .. kLimitMax. Returns the old array for the
    /// caller to free, or null if that was the shared one.
    void* replace(void* memory, std::uint32_t limit);
    /// Back to the shared empty array, whatever was held before.
    void forget();
    /// The same; returns the old array for the caller to free, or null if that was the shared one.
    void* take();
    /// Still on the shared empty array.
    bool on_shared_array() const;

    /// Moves of sifting since the last call.
    std::uint32_t take_steps() {
        const std::uint32_t n = steps_;
        steps_ = 0;
        return n;
    }

private:
    void put(std::uint32_t i, Timer& t) {
        array_->slots()[i] = &t;
        t.heap_index = i;
    }
    void sift_up(std::uint32_t i, Timer& moving);
    void sift_down(std::uint32_t i, Timer& moving);

    HeapArray* array_;
    std::uint32_t steps_ = 0;
};

}  // namespace ticklab::xen
