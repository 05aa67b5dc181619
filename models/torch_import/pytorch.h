/* The tensors of a PyTorch checkpoint: a state dictionary that torch.save wrote, in the zip format (since
 * PyTorch 1.6) or the older one of pickles and raw bytes. Nothing in the file can make this program do
 * anything but read tensors. Internal to models/bert. */
#ifndef BERT_PYTORCH_H
#define BERT_PYTORCH_H

#include "models/bert/safetensors.h"

G_BEGIN_DECLS

typedef struct BertPytorch BertPytorch;

/* Reads the whole dictionary: torch.save(model.state_dict(), ...), or one whose entry 'state_dict' is that.
 * Float, half and bfloat16 tensors keep their type, double ones become F32, whole numbers I64. "module."
 * before every name (DataParallel) is left out. Errors are in CW_POLICY_ERROR. */
BertPytorch *bert_pytorch_open(const char *file, GError **error);
void bert_pytorch_close(BertPytorch *checkpoint); /* accepts NULL */
/* In the order of the dictionary; names and data belong to the checkpoint. */
const BertTensor *bert_pytorch_tensors(const BertPytorch *checkpoint, guint *n_tensors);

G_END_DECLS

#endif
