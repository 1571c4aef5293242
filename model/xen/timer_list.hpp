// A singly linked list of timers: a CPU's overflow list, which V1 and V2 also use to hold the group that the deadline
// stands for (XT 1.5, 7.2), and the ready list of VR (XT 7.3).
//
// Rules
//  (1) The overflow list is sorted by `expires`, first in first out among equals (XT-I3): insert() and append(). The
//      ready list takes new members at the front.
//  (2) Insertion and removal scan from the head; the scan steps are counted, since they are paid for.
#pragma once

#include <boost/intrusive/slist.hpp>
#include <cstdint>

#include "ticklab/model/xen/timer.hpp"

namespace ticklab::xen {

class TimerList {
    using Chain =
        boost::intrusive::slist<Timer,
                                boost::intrusive::member_hook<Timer, decltype(Timer::list_hook), &Timer::list_hook>,
                                boost::intrusive::cache_last<true>>;

public:
    using const_iterator = Chain::const_iterator;

    bool empty() const { return chain_.empty(); }
    std::size_t size() const { return chain_.size(); }
    Timer& front() { return chain_.front(); }
    const Timer& front() const { return chain_.front(); }
    const_iterator begin() const { return chain_.begin(); }
    const_iterator end() const { return chain_.end(); }

    /// After all that expire with or before `t`. True if `t` became the head.
    bool insert(Timer& t) {
        auto before = chain_.before_begin();
        for (auto i = chain_.begin(); i != chain_.end() && i->expires <= t.expires; ++i) {
            before = i;
            ++steps_;
        }
        chain_.insert_after(before, t);
        return &chain_.front() == &t;
    }
    /// True if `t` was the head. `t` is in this list.
    bool remove(Timer& t) {
        auto before = chain_.before_begin();
        for (auto i = chain_.begin(); &*i != &t; ++i) {
            before = i;
            ++steps_;
        }
        const bool was_head = before == chain_.before_begin();
        chain_.erase_after(before);
        return was_head;
    }
    Timer& pop_front() {
        Timer& t = chain_.front();
        chain_.pop_front();
        return t;
    }
    /// At the tail, unseen: `t` expires no earlier than the last member.
    void append(Timer& t) { chain_.push_back(t); }
    /// At the head.
    void push_front(Timer& t) { chain_.push_front(t); }
    /// Takes over all members of `other`; this list is empty.
    void take_all(TimerList& other) { chain_.swap(other.chain_); }

    /// Members passed over in scans since the last call.
    std::uint32_t take_steps() {
        const std::uint32_t n = steps_;
        steps_ = 0;
        return n;
    }

private:
    Chain chain_;
    std::uint32_t steps_ = 0;
};

}  // namespace ticklab::xen
