#include "ticklab/lab/why/record_ring.hpp"

namespace ticklab::lab {

Chain chain_of(const RecordRing& ring, sim::RecordId id, sim::Time since) {
    Chain chain;
    sim::RecordId wanted = id;
    // A cause comes before what it causes, so one walk finds them all.
    ring.backwards([&](const KeptRecord& record) {
        if (!wanted || record.at < since) {
            wanted = {};
            return false;
        }
        if (record.id == wanted) {
            chain.links.push_back(record);
            wanted = record.cause;
        }
        return true;
    });
    chain.missing = wanted;
    return chain;
}

}  // namespace ticklab::lab
