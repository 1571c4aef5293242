#include "ticklab/model/xen/timer_heap.hpp"

#include <cstring>

namespace ticklab::xen {
namespace {

// Constant, so that a write would fault: size == limit keeps every insertion out.
const HeapArray kSharedEmptyArray{0, 0};

HeapArray* shared_empty_array() { return const_cast<HeapArray*>(&kSharedEmptyArray); }

}  // namespace

TimerHeap::TimerHeap() : array_(shared_empty_array()) {}

bool TimerHeap::on_shared_array() const { return array_ == &kSharedEmptyArray; }

void* TimerHeap::take() {
    void* const old = on_shared_array() ? nullptr : array_;
    forget();
    return old;
}

void TimerHeap::forget() { array_ = shared_empty_array(); }

void TimerHeap::sift_up(std::uint32_t i, Timer& moving) {
    while (i > 1 && moving.expires < at(i / 2).expires) {
        put(i, at(i / 2));
        i /= 2;
        ++steps_;
    }
    put(i, moving);
}

void TimerHeap::sift_down(std::uint32_t i, Timer& moving) {
    const std::uint32_t n = size();
    while (2 * i <= n) {
        std::uint32_t child = 2 * i;
        if (child < n && at(child + 1).expires < at(child).expires)
            ++child;
        if (at(child).expires > moving.expires)
            break;
        put(i, at(child));
        i = child;
        ++steps_;
    }
    put(i, moving);
}

bool TimerHeap::insert(Timer& t) {
    t.heap_index = 0;
    if (full())
        return false;
    sift_up(++array_->size, t);
    return t.heap_index == 1;
}

bool TimerHeap::remove(Timer& t) {
    const std::uint32_t p = t.heap_index;
    Timer& last = at(array_->size--);
    if (&last != &t) {
        if (p > 1 && last.expires < at(p / 2).expires)
            sift_up(p, last);
        else
            sift_down(p, last);
    }
    t.heap_index = 0;
    return p == 1;
}

void* TimerHeap::replace(void* memory, std::uint32_t limit) {
    std::memcpy(memory, array_, bytes_for(array_->limit));
    HeapArray* const old = array_;
    array_ = static_cast<HeapArray*>(memory);
    array_->limit = static_cast<std::uint16_t>(limit);
    return old == &kSharedEmptyArray ? nullptr : old;
}

}  // namespace ticklab::xen
