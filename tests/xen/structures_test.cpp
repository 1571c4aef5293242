// XT 1.4, 1.5, 4.1 - 4.4: the heap and the lists, against sorted references.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "ticklab/model/xen/inactive_list.hpp"
#include "ticklab/model/xen/timer_heap.hpp"
#include "ticklab/model/xen/timer_list.hpp"

using namespace ticklab::xen;

namespace {

// A heap on memory of its own.
struct HeapUnderTest {
    TimerHeap heap;
    std::vector<std::unique_ptr<std::byte[]>> memory;

    void grow(std::uint32_t limit) {
        memory.push_back(std::make_unique<std::byte[]>(TimerHeap::bytes_for(limit)));
        heap.replace(memory.back().get(), limit);
    }
    bool ordered() const {
        for (std::uint32_t i = 1; i <= heap.size(); ++i)
            if (heap.at(i).heap_index != i || (i > 1 && heap.at(i).expires < heap.at(i / 2).expires))
                return false;
        return heap.size() <= heap.limit();
    }
};

std::vector<std::int64_t> keys(const TimerList& list) {
    std::vector<std::int64_t> out;
    for (const Timer& t : list)
        out.push_back(ns(t.expires));
    return out;
}

}  // namespace

TEST_CASE("a new heap is the shared empty array, full at once (XT 1.4)") {
    TimerHeap a;
    TimerHeap b;
    Timer t;
    CHECK(a.on_shared_array());
    CHECK(a.full());
    CHECK(a.empty());
    CHECK_FALSE(a.insert(t));
    CHECK(t.heap_index == 0);
    CHECK(a.empty());
    CHECK(b.empty());
}

TEST_CASE("insert tells whether the timer landed on top, remove whether it was (XT 4.2, 4.3)") {
    HeapUnderTest h;
    h.grow(15);
    Timer early, middle, late;
    early.expires = stime_at(10);
    middle.expires = stime_at(20);
    late.expires = stime_at(30);
    CHECK(h.heap.insert(middle));
    CHECK_FALSE(h.heap.insert(late));
    CHECK(h.heap.insert(early));
    CHECK_FALSE(h.heap.remove(late));
    CHECK(h.heap.remove(early));
    CHECK(&h.heap.top() == &middle);
    CHECK(h.heap.remove(middle));
    CHECK(h.heap.empty());
}

TEST_CASE("ties follow the fixed sift rules (XT 4.1)") {
    // Equal keys: an insertion never passes its parent, a removal sinks the last element below its equals.
    HeapUnderTest h;
    h.grow(15);
    std::deque<Timer> t(5);
    for (Timer& x : t) {
        x.expires = stime_at(7);
        h.heap.insert(x);
    }
    for (std::uint32_t i = 0; i < 5; ++i)
        CHECK(t[i].heap_index == i + 1);
    h.heap.remove(t[0]);
    // t[4] moves to the root and goes on down the left side: left children win ties.
    CHECK(&h.heap.at(1) == &t[1]);
    CHECK(&h.heap.at(2) == &t[3]);
    CHECK(&h.heap.at(3) == &t[2]);
    CHECK(&h.heap.at(4) == &t[4]);
}

TEST_CASE("a heap behaves as a sorted multiset under random operations (XT-I2)") {
    CHECK(rc::check([] {
        HeapUnderTest h;
        h.grow(*rc::gen::element<std::uint32_t>(15, 255));
        std::deque<Timer> timers(40);
        std::vector<Timer*> in;
        const auto steps = *rc::gen::inRange(0, 200);
        for (int i = 0; i < steps; ++i) {
            Timer& t = timers[static_cast<std::size_t>(*rc::gen::inRange(0, 40))];
            if (t.heap_index != 0) {
                const bool was_top = &h.heap.top() == &t;
                RC_ASSERT(h.heap.remove(t) == was_top);
                std::erase(in, &t);
                RC_ASSERT(t.heap_index == 0u);
            } else {
                t.expires = stime_at(*rc::gen::inRange(-5, 20));
                const bool full = in.size() == h.heap.limit();
                const bool top = h.heap.insert(t);
                RC_ASSERT((t.heap_index == 0) == full);
                if (!full) {
                    in.push_back(&t);
                    RC_ASSERT(top == (&h.heap.top() == &t));
                }
            }
            RC_ASSERT(h.ordered());
            RC_ASSERT(h.heap.size() == in.size());
        }
        std::int64_t last = INT64_MIN;
        std::vector<std::int64_t> want;
        want.reserve(in.size());
        for (Timer* t : in)
            want.push_back(ns(t->expires));
        std::sort(want.begin(), want.end());
        for (const std::int64_t w : want) {
            RC_ASSERT(ns(h.heap.top().expires) == w);
            RC_ASSERT(w >= last);
            last = w;
            h.heap.remove(h.heap.top());
        }
    }));
}

TEST_CASE("growing keeps every timer in its slot (XT 1.4)") {
    HeapUnderTest h;
    std::deque<Timer> timers;
    std::uint32_t limit = 0;
    for (const std::uint32_t next : {15u, 255u, 4095u, 65535u}) {
        h.grow(next);
        REQUIRE(h.heap.limit() == next);
        REQUIRE(h.ordered());
        for (; limit < next; ++limit) {
            Timer& t = timers.emplace_back();
            t.expires = stime_at((std::int64_t{limit} * 7919) % 10007);
            h.heap.insert(t);
        }
        CHECK(h.heap.full());
        CHECK(h.ordered());
    }
    Timer one_more;
    CHECK_FALSE(h.heap.insert(one_more));
    CHECK(one_more.heap_index == 0);
}

TEST_CASE("replace gives the old array back, but never the shared one (XT 1.4)") {
    TimerHeap heap;
    const auto a = std::make_unique<std::byte[]>(TimerHeap::bytes_for(15));
    const auto b = std::make_unique<std::byte[]>(TimerHeap::bytes_for(255));
    CHECK(heap.replace(a.get(), 15) == nullptr);
    CHECK(heap.replace(b.get(), 255) == a.get());
    heap.forget();
    CHECK(heap.on_shared_array());
    CHECK(heap.limit() == 0);
}

TEST_CASE("the overflow list is sorted and first in first out among equals (XT 1.5, XT-I3)") {
    CHECK(rc::check([] {
        TimerList list;
        std::deque<Timer> timers(25);
        std::list<Timer*> model;
        const auto steps = *rc::gen::inRange(0, 120);
        for (int i = 0; i < steps; ++i) {
            Timer& t = timers[static_cast<std::size_t>(*rc::gen::inRange(0, 25))];
            const auto at = std::find(model.begin(), model.end(), &t);
            if (at != model.end()) {
                const bool head = at == model.begin();
                const auto passed = static_cast<std::uint32_t>(std::distance(model.begin(), at));
                RC_ASSERT(list.remove(t) == head);
                RC_ASSERT(list.take_steps() == passed);
                model.erase(at);
            } else {
                t.expires = stime_at(*rc::gen::inRange(-3, 6));
                const auto place =
                    std::find_if(model.begin(), model.end(), [&](const Timer* o) { return o->expires > t.expires; });
                const bool head = place == model.begin();
                model.insert(place, &t);
                RC_ASSERT(list.insert(t) == head);
                list.take_steps();
            }
            RC_ASSERT(list.size() == model.size());
            auto m = model.begin();
            for (const Timer& x : list)
                RC_ASSERT(&x == *m++);
        }
        while (!list.empty())
            list.pop_front();
    }));
}

TEST_CASE("a whole list can be taken over, and appended to at its tail (XT 6 step 5, XT 7.2)") {
    TimerList a, b;
    std::deque<Timer> t(3);
    for (std::size_t i = 0; i < t.size(); ++i) {
        t[i].expires = stime_at(static_cast<std::int64_t>(i));
        a.append(t[i]);
    }
    b.take_all(a);
    CHECK(a.empty());
    CHECK(keys(b) == std::vector<std::int64_t>{0, 1, 2});
    a.append(b.pop_front());
    CHECK(keys(a) == std::vector<std::int64_t>{0});
    CHECK(b.size() == 2);
    b.pop_front();
    b.pop_front();
    a.pop_front();
}

TEST_CASE("the inactive list holds each timer once and gives back any of them (XT 1.6)") {
    CHECK(rc::check([] {
        InactiveList list;
        std::deque<Timer> timers(20);
        std::vector<Timer*> model;
        const auto steps = *rc::gen::inRange(0, 100);
        for (int i = 0; i < steps; ++i) {
            Timer& t = timers[static_cast<std::size_t>(*rc::gen::inRange(0, 20))];
            RC_ASSERT(t.inactive_hook.is_linked() == (std::find(model.begin(), model.end(), &t) != model.end()));
            if (t.inactive_hook.is_linked()) {
                list.erase(list.iterator_to(t));
                std::erase(model, &t);
            } else {
                list.push_front(t);
                model.insert(model.begin(), &t);
            }
            RC_ASSERT(list.size() == model.size());
            RC_ASSERT(std::equal(list.begin(), list.end(), model.begin(),
                                 [](const Timer& a, const Timer* b) { return &a == b; }));
        }
        list.clear();
    }));
}

TEST_CASE("align gives the first multiple that is not before (XT 11)") {
    struct Vector {
        std::int64_t first, period, aligned;
    };
    for (const Vector& v : {Vector{1, 10, 10}, Vector{10, 10, 10}, Vector{11, 10, 20}, Vector{7, 0, 7}, Vector{1, 1, 1},
                            Vector{999'999'999, 1'000'000, 1'000'000'000}})
        CHECK(ns(align(stime_at(v.first), StimeSpan{v.period})) == v.aligned);
    CHECK(rc::check([] {
        const auto first = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000);
        const auto period = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000);
        const std::int64_t a = ns(align(stime_at(first), StimeSpan{period}));
        RC_ASSERT(a % period == 0);
        RC_ASSERT(a >= first);
        RC_ASSERT(a - first < period);
    }));
}

TEST_CASE("the end of a range saturates (XT-D2)") {
    CHECK(saturating_add(stime_at(5), StimeSpan{3}) == stime_at(8));
    CHECK(saturating_add(stime_at(-5), StimeSpan{3}) == stime_at(-2));
    CHECK(saturating_add(kStimeMax, StimeSpan{0}) == kStimeMax);
    CHECK(saturating_add(kStimeMax, StimeSpan{1}) == kStimeMax);
    CHECK(saturating_add(kStimeMax - StimeSpan{2}, StimeSpan{3}) == kStimeMax);
    CHECK(saturating_add(Stime::min(), StimeSpan{1}) == Stime::min() + StimeSpan{1});
}
