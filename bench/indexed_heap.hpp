// The baseline that the pending set is measured against: a 4-ary heap of (time, rank) with back-indices, so that it too
// can re-arm in place and cancel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ticklab/sim/pending_set.hpp"

namespace ticklab::bench {

class IndexedHeap {
public:
    sim::SourceIndex add(std::uint32_t rank) {
        ranks_.push_back(rank);
        slots_.push_back(kAbsent);
        return static_cast<sim::SourceIndex>(ranks_.size() - 1);
    }
    const sim::Key& earliest() const { return heap_.front().key; }
    sim::SourceIndex first() const { return heap_.front().source; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(heap_.size()); }

    void arm(sim::SourceIndex s, sim::Time at) {
        const Entry e{{at, ranks_[s]}, s};
        if (slots_[s] == kAbsent) {
            heap_.push_back(e);
            up(static_cast<std::uint32_t>(heap_.size() - 1), e);
        } else {
            settle(slots_[s], e);
        }
    }
    void disarm(sim::SourceIndex s) {
        const std::uint32_t slot = std::exchange(slots_[s], kAbsent);
        if (slot == kAbsent) {
            return;
        }
        const Entry last = heap_.back();
        heap_.pop_back();
        if (last.source != s) {
            settle(slot, last);
        }
    }
    sim::SourceIndex pop() {
        const sim::SourceIndex s = first();
        disarm(s);
        return s;
    }

private:
    struct Entry {
        sim::Key key;
        sim::SourceIndex source;
    };
    static constexpr std::uint32_t kAbsent = ~std::uint32_t{0};

    static bool before(const sim::Key& a, const sim::Key& b) { return a.at != b.at ? a.at < b.at : a.rank < b.rank; }
    void put(std::uint32_t slot, const Entry& e) {
        heap_[slot] = e;
        slots_[e.source] = slot;
    }
    void settle(std::uint32_t slot, const Entry& e) {
        if (slot != 0 && before(e.key, heap_[(slot - 1) / 4].key)) {
            up(slot, e);
        } else {
            down(slot, e);
        }
    }
    void up(std::uint32_t slot, const Entry& e) {
        while (slot != 0 && before(e.key, heap_[(slot - 1) / 4].key)) {
            put(slot, heap_[(slot - 1) / 4]);
            slot = (slot - 1) / 4;
        }
        put(slot, e);
    }
    void down(std::uint32_t slot, const Entry& e) {
        const auto count = static_cast<std::uint32_t>(heap_.size());
        for (std::uint32_t child = 4 * slot + 1; child < count; child = 4 * slot + 1) {
            const std::uint32_t end = child + 4 < count ? child + 4 : count;
            std::uint32_t least = child;
            for (std::uint32_t i = child + 1; i < end; ++i) {
                least = before(heap_[i].key, heap_[least].key) ? i : least;
            }
            if (!before(heap_[least].key, e.key)) {
                break;
            }
            put(slot, heap_[least]);
            slot = least;
        }
        put(slot, e);
    }

    std::vector<Entry> heap_;
    std::vector<std::uint32_t> slots_;
    std::vector<std::uint32_t> ranks_;
};

}  // namespace ticklab::bench
