/* Making a model folder out of somebody's checkpoint. */
#ifndef BERT_IMPORT_H
#define BERT_IMPORT_H

#include <cartwright/conversion.h>

G_BEGIN_DECLS

/* The import that every BERT backend offers: the state dictionary of WebShop's choice model (Yao et al.
 * 2022), or of any BERT encoder, as torch.save wrote it. Configuration and vocabulary come from another model
 * folder. */
extern const CwConversion bert_import;

G_END_DECLS

#endif
