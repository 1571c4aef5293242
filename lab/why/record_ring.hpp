// The last records of a run, so that chains of causes can be walked.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

/// A record that outlives its batch.
struct KeptRecord {
    std::uint64_t number = 0;  ///< in the order of commitment
    sim::Time at = sim::kBoot;
    const sim::RecordKind* kind = nullptr;
    sim::CpuId cpu = sim::kNoCpu;
    sim::RecordId id;
    sim::RecordId cause;
    sim::RecordId waited_on;
    std::array<std::uint64_t, sim::kMaxOperands> operands{};

    KeptRecord(const sim::Record& r, std::uint64_t number_)
        : number(number_), at(r.at), kind(r.kind), cpu(r.cpu), id(r.id), cause(r.cause), waited_on(r.waited_on) {
        std::copy(r.operands.begin(), r.operands.end(), operands.begin());
    }
};

class RecordRing {
public:
    explicit RecordRing(std::size_t capacity) : capacity_(std::max<std::size_t>(1, capacity)) {
        records_.reserve(capacity_);  // pages that are not written cost nothing
    }

    void push(const sim::Record& record) {
        if (records_.size() < capacity_)
            records_.emplace_back(record, pushed_);
        else
            records_[next_] = KeptRecord(record, pushed_);
        next_ = (next_ + 1) % capacity_;
        ++pushed_;
    }
    /// Calls `visit(const KeptRecord&)` from the latest record backwards until it returns false.
    template <class Visitor>
    void backwards(Visitor visit) const {
        for (std::size_t i = 1; i <= records_.size(); ++i)
            if (!visit(records_[(next_ + capacity_ - i) % capacity_]))
                return;
    }
    /// Whether everything since `t` is kept.
    bool reaches(sim::Time t) const { return pushed_ <= capacity_ || records_[next_ % records_.size()].at < t; }

private:
    std::size_t capacity_;
    std::vector<KeptRecord> records_;
    std::size_t next_ = 0;
    std::uint64_t pushed_ = 0;
};

/// The record `id` and what led to it, the last first, as far as kept and not before `since`. `missing` is the first
/// cause that is not kept; none if the chain is whole or was cut at `since`.
struct Chain {
    std::vector<KeptRecord> links;
    sim::RecordId missing;
};
Chain chain_of(const RecordRing& ring, sim::RecordId id, sim::Time since = sim::kBoot);

}  // namespace ticklab::lab
