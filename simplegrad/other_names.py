"""Names that PyTorch, NumPy and JAX have, and simplegrad spells otherwise or lacks: data, no code.

From where a name is looked for, and the name, to what to write instead. "  #" is followed by the
reason, where one helps. The examples speak of tensors `t`, `x` and `y` of shape (2, 3), of a leaf
`w`, and of `model`, `opt`, `schedule` and `loss`; a test runs all of them.
"""

_NUMPY_ONLY = "  # all tensors are arrays of NumPy, which computes on the CPU"
_NO_DTYPE = "  # a conversion is a new tensor, made from the numbers alone"
_NO_SLOPE = "  # it is made of steps, which have no slope, so it is for arrays alone"
_IN_PLACE = "  # only the data of a leaf change in place, after backward()"
RULE_OF_YOURS = "  # there is no rule for it, and CONTRIBUTING.md adds one in nine lines"
_NO_LAYER = "  # it can be written as a Module with __init__ and forward, or done without"
_NOT_REGISTERED = "  # nothing is registered: what an attribute holds is found"


def _by_name(table: dict[str, str]) -> dict[str, str]:
    """An entry for each of the names that a key of the table holds; NAME stands for it."""
    return {n: code.replace("NAME", n) for names, code in table.items() for n in names.split()}


_TENSOR = _by_name(
    {
        "add": "t + x",
        "add_ index_add_ scatter_add_": "w.data += 1" + _IN_PLACE,
        "all any": "(t > 0).NAME()",
        "allclose": "np.allclose(t.numpy(), x.numpy())",
        "amax": "t.max(axis=1)",
        "amin": "t.min(axis=1)",
        "arccos arcsin arcsinh arctan arctanh": "np.NAME(t.numpy())" + RULE_OF_YOURS,
        "cosh median sinh tan": "np.NAME(t.numpy())" + RULE_OF_YOURS,
        "argsort": "np.argsort(t, axis=1)",
        "astype float type type_as": "sg.Tensor(t, dtype=np.float32)" + _NO_DTYPE,
        "bfloat16 half": "sg.Tensor(t, dtype=np.float16)" + _NO_DTYPE,
        "bmm dot inner matmul mm": "t @ x.T",
        "bool": "sg.Tensor(t, dtype=np.bool_)" + _NO_DTYPE,
        "expand": "t.broadcast_to((4, 2, 3))",
        "byte char int long short": "sg.Tensor(t, dtype=np.int64)" + _NO_DTYPE,
        "ceil fix floor rint round sign trunc": "np.NAME(t.numpy())" + _NO_SLOPE,
        "chunk": "t.split(2)",
        "clamp": "t.clip(0, 1)",
        "clamp_ clip_": "w.data = np.clip(w.data, 0, 1)" + _IN_PLACE,
        "clamp_max": "t.clip(max=1)",
        "clamp_min": "t.clip(min=0)",
        "clone": "t * 1  # it keeps the graph, as t.detach() does not",
        "cat concat concatenate": "sg.concatenate([t, x])",
        "contiguous is_contiguous": "t  # NumPy takes arrays of any layout",
        "copy": "t.detach()  # it is a copy without the graph",
        "copy_ set_": "w.data = x" + _IN_PLACE,
        "cpu cuda device is_cuda pin_memory to": "t" + _NUMPY_ONLY,
        "cumprod": "np.cumprod(t.numpy(), axis=1)" + RULE_OF_YOURS,
        "detach_": "w = w.detach()",
        "diag diagonal": "t[np.arange(2), np.arange(2)]",
        "dim ndimension": "t.ndim",
        "div divide true_divide": "t / x",
        "div_": "w.data /= 2" + _IN_PLACE,
        "double": "sg.Tensor(t, dtype=np.float64)" + _NO_DTYPE,
        "eq": "t == x",
        "equal": "np.array_equal(t, x)",
        "erf": "sg.gelu(t)  # erf itself is not there; GELU is, in its tanh form",
        "expand_as": "t.broadcast_to(x.shape)",
        "expm1": "sg.exp(t) - 1",
        "fill fill_": "w.data = np.full(w.shape, 2.0)" + _IN_PLACE,
        "flat flatten ravel": "t.reshape(-1)",
        "flip": "t[::-1]",
        "gather": "t.take_along_axis([[0], [2]], axis=1)",
        "ge greater_equal": "t >= x",
        "grad_fn": "t.rule",
        "greater gt": "t > x",
        "H adjoint t": "t.T",
        "index_select": "t[np.array([0, 1])]",
        "indices": "t.argmax(axis=1)  # max() gives the largest elements alone",
        "inverse": "np.linalg.inv((t @ t.T).numpy())" + RULE_OF_YOURS,
        "is_leaf": "t.rule is None",
        "isfinite isinf isnan": "np.NAME(t.numpy())  # it asks what the numbers are",
        "le less_equal": "t <= x",
        "less lt": "t < x",
        "log10": "sg.log(t) / np.log(10)",
        "log2": "sg.log(t) / np.log(2)",
        "masked_fill": "sg.where(t > 0, 0.0, t)",
        "masked_fill_ scatter_": "w.data = sg.where(t > 0, 0.0, w)" + _IN_PLACE,
        "masked_select": "t[t > 0]",
        "mT moveaxis movedim permute swapaxes swapdims": "t.transpose(1, 0)",
        "mul multiply": "t * x",
        "mul_": "w.data *= 2" + _IN_PLACE,
        "mv": "t @ x[0]",
        "nbytes": "t.data.nbytes",
        "multinomial": "sg.multinomial(t, 1)",
        "ne": "t != x",
        "neg negative": "-t",
        "nelement numel": "t.size",
        "new_ones": "sg.ones((2, 3))",
        "new_tensor": "sg.Tensor([1.0, 2.0])",
        "new_zeros": "sg.zeros((2, 3))",
        "nonzero": "np.nonzero(t)",
        "normal_": "sg.nn.init.normal_(w, std=0.02)" + _IN_PLACE,
        "pow power square": "t**2",
        "register_hook": "loss.backward(retain_grads=True)  # it keeps the gradients of results",
        "tile": "sg.concatenate([t, t])",
        "repeat_interleave": "t.repeat(3, axis=0)",
        "requires_grad_": "w.requires_grad = True",
        "reshape_as view_as": "t.reshape(x.shape)",
        "retain_grad": "loss.backward(retain_grads=True)",
        "scatter": "sg.where(t > 0, x, t)",
        "sort": "t[0][np.argsort(t[0])]",
        "stack": "sg.stack([t, x])",
        "sub subtract": "t - x",
        "sub_": "w.data -= 1" + _IN_PLACE,
        "take": "t.reshape(-1)[np.array([0, 4])]",
        "tolist": "t.numpy().tolist()",
        "topk": "t[0][np.argsort(-t[0])[:2]]",
        "unbind": "list(t)",
        "uniform_": "sg.nn.init.uniform_(w, -1, 1)" + _IN_PLACE,
        "values": "t.max(axis=1)  # max() gives the largest elements alone",
        "view": "t.reshape(3, 2)",
        "where": "sg.where(t > 0, t, 0.0)",
        "zero_": "sg.nn.init.zeros_(w)" + _IN_PLACE,
    }
)

# torch.sum(t) is t.sum(), and so on. What simplegrad has, too, is for the functions of NumPy
_PACKAGE = _TENSOR | _by_name(
    {
        "absolute": "sg.abs(t)",
        "Adam AdamW SGD": "sg.optimizers.NAME(model)",
        "bernoulli": "sg.uniform((2, 3)) < 0.5",
        "bfloat16 half": "np.float16",
        "bincount": "np.bincount([0, 1, 1])",
        "bool": "np.bool_",
        "vstack": "sg.concatenate([t, x])",
        "categorical": "sg.multinomial([0.2, 0.3, 0.5], 1)",
        "choice": "sg.generator().choice(3, p=[0.2, 0.3, 0.5])",
        "clip": "sg.clip(t, 0, 1)",
        "compile jit": "from simplegrad import fast",
        "cuda device": "sg.Tensor([1.0, 2.0])" + _NUMPY_ONLY,
        "double": "np.float64",
        "broadcast_to": "sg.broadcast_to(t, (4, 2, 3))",
        "einsum": 'sg.einsum("ij,kj->ik", t, x)',
        "empty": "sg.zeros((2, 3))",
        "empty_like": "sg.zeros_like(t)",
        "enable_grad set_grad_enabled": "sg.no_grad()  # gradients are on wherever it is not",
        "smooth_l1_loss": "sg.huber_loss(t, x)  # it is the same for a delta of 1",
        "binary_cross_entropy": "sg.binary_cross_entropy_with_logits(t, x)",
        "expand_dims unsqueeze": "t.unsqueeze(0)",
        "float": "np.float32",
        "float16 float32 float64 inf int16 int32 int64 int8 nan pi uint8": "np.NAME",
        "FloatTensor array as_tensor asarray tensor": "sg.Tensor([1.0, 2.0])",
        "from_numpy frombuffer": "sg.Tensor(np.array([1.0, 2.0]))",
        "Generator": "sg.generator()",
        "hstack": "sg.concatenate([t, x], axis=1)",
        "inference_mode": "sg.no_grad()",
        "int long": "np.int64",
        "IntTensor LongTensor": "sg.Tensor(np.array([0, 1]))",
        "is_tensor": "isinstance(t, sg.Tensor)",
        "Linear": "sg.nn.Linear(2, 3)",
        "linspace": "sg.Tensor(np.linspace(0, 1, 5))",
        "max mean min sum var": "t.NAME(axis=1)",
        "logaddexp maximum minimum outer": "sg.NAME(t, x)",
        "meshgrid": "np.meshgrid([0, 1], [0, 1, 2])",
        "Module": "sg.nn.Module",
        "mv": "t @ x[0]",
        "tensordot": 'sg.einsum("ij,kj->ik", t, x)',
        "optim": "import simplegrad.optimizers as optim",
        "Parameter": "sg.Tensor([1.0, 2.0], requires_grad=True)",
        "rand": "sg.uniform((2, 3))",
        "rand_like": "sg.uniform_like(t)",
        "integers": "sg.randint(0, 10, (2, 3))",
        "randn": "sg.normal((2, 3))",
        "randn_like": "sg.normal_like(t)",
        "randperm": "sg.permutation(10)",
        "repeat roll": "sg.NAME(t, 2)",
        "reshape": "t.reshape(3, 2)",
        "seed set_seed": "sg.manual_seed(0)",
        "Sequential": "sg.nn.Sequential(sg.nn.Linear(2, 3), sg.nn.ReLU())",
        "Size": "tuple",
        "split": "sg.split(t, 2)",
        "squeeze": "t.squeeze()",
        "take_along_axis": "sg.take_along_axis(t, [[0], [2]], axis=1)",
        "transpose": "t.transpose(1, 0)",
    }
)

_NN = _by_name(
    {
        "AdaptiveAvgPool2d": "images.mean(axis=(2, 3))" + _NO_LAYER,
        "AlphaDropout Dropout1d Dropout2d": "nn.Dropout(0.5)",
        "AvgPool1d Conv1d MaxPool1d": "nn.Conv2d(3, 8, (1, 5))  # of images of one row",
        "BatchNorm1d BatchNorm2d BatchNorm3d": "nn.BatchNorm(3)  # it takes (N, C, ...), any axes",
        "BCE BCELoss": "nn.BCEWithLogitsLoss()  # it takes the logits, and no sigmoid before it",
        "Conv3d ConvTranspose2d": "nn.Conv2d(3, 8, 5)" + _NO_LAYER,
        "clip_grad_norm_ clip_grad_value_ utils": "nn.clip_grad_norm(model, max_norm=1.0)",
        "CrossEntropy": "nn.CrossEntropyLoss()",
        "Dense LazyLinear": "nn.Linear(2, 3)",
        "functional": "import simplegrad as F  # the functions stand in simplegrad itself",
        "GroupNorm InstanceNorm1d InstanceNorm2d": "nn.LayerNorm(3)" + _NO_LAYER,
        "SmoothL1Loss": "nn.HuberLoss(delta=1.0)  # it is the same for a delta of 1",
        "Identity": "nn.Sequential()",
        "Layer Model": "nn.Module  # it is the base of your own class",
        "ModuleDict": '{"a": nn.Linear(2, 3), "b": nn.Linear(2, 1)}' + _NOT_REGISTERED,
        "ModuleList": "[nn.Linear(2, 3), nn.Linear(3, 1)]" + _NOT_REGISTERED,
        "MAE": "nn.L1Loss()",
        "MSE": "nn.MSELoss()",
        "MultiheadAttention": "nn.MultiHeadAttention(8, 2)  # batches come first, and a mask is "
        "True where a query may look",
        "Parameter": "sg.Tensor([1.0, 2.0], requires_grad=True)",
        "ParameterDict": '{"w": sg.ones(2, requires_grad=True)}' + _NOT_REGISTERED,
        "ParameterList": "[sg.Tensor([1.0, 2.0], requires_grad=True)]" + _NOT_REGISTERED,
    }
)

_INIT = _by_name(
    {
        "constant constant_ fill_": "w.data = np.full(w.shape, 0.1)",
        "eye_ dirac_ sparse_": "w.data = np.eye(*w.shape)",
        "glorot_normal glorot_normal_ xavier_normal": "nn.init.xavier_normal_(w)",
        "glorot_uniform glorot_uniform_ xavier_uniform": "nn.init.xavier_uniform_(w)",
        "he_normal he_normal_ kaiming_normal": "nn.init.kaiming_normal_(w)",
        "he_uniform he_uniform_ kaiming_uniform": "nn.init.kaiming_uniform_(w)",
        "normal trunc_normal_": "nn.init.normal_(w, std=0.02)",
        "orthogonal": "nn.init.orthogonal_(w)",
        "uniform": "nn.init.uniform_(w, -0.1, 0.1)",
        "ones zeros": "nn.init.NAME_(w)",
    }
)

_OPTIMIZERS = _by_name(
    {
        "Adadelta RMSprop rmsprop": "optim.RMSProp(model)",
        "Adagrad": "optim.RMSProp(model)  # it is Adagrad with a memory that fades",
        "Adamax LBFGS NAdam RAdam SparseAdam adam": "optim.Adam(model)",
        "ASGD GradientDescent sgd": "optim.SGD(model, lr=0.1)",
        "Lion Muon adamw": "optim.AdamW(model)",
        "lr_scheduler": "optim.schedules.Cosine(opt, total_steps=100)",
        "Momentum": "optim.SGD(model, momentum=0.9)",
        "StepLR": "optim.schedules.Step(opt, step_size=30)",
    }
)

_SCHEDULES = _by_name(
    {
        "ConstantLR": "optim.SGD(model, lr=0.1)  # a rate that nothing changes stays",
        "CosineAnnealingLR CosineLR": "optim.schedules.Cosine(opt, total_steps=100)",
        "CosineAnnealingWarmRestarts": "optim.schedules.CosineWarmRestarts(opt, cycle_steps=10)",
        "ExponentialLR": "optim.schedules.Exponential(opt, gamma=0.99)",
        "LambdaLR": "optim.schedules.Schedule  # a subclass of it defines factor(self, t)",
        "LinearLR PolynomialLR": "optim.schedules.Linear(opt, total_steps=100)",
        "MultiStepLR StepLR": "optim.schedules.Step(opt, step_size=30)",
        "OneCycleLR": "optim.schedules.Cosine(opt, total_steps=100, warmup_steps=10)",
        "ReduceLROnPlateau": "optim.schedules.ReduceOnPlateau(opt, patience=10)",
        "SequentialLR": "optim.schedules.Sequential(opt, [lambda opt: optim.schedules.Linear(opt, "
        "10, start_factor=0.1, end_factor=1), lambda opt: optim.schedules.Cosine(opt, 90)], [10])",
    }
)

_MODULE = _by_name(
    {
        "add_module register_module": "model.head = nn.Linear(2, 3)" + _NOT_REGISTERED,
        "append": "model.layers.append(nn.ReLU())",
        "bfloat16 half": 'model.astype("float16")',
        "double type": 'model.astype("float64")',
        "buffers": "model.tensors().values()",
        "children": "model.modules().values()",
        "compile": "opt = optim.Adam(model)",
        "cpu cuda device to": "model" + _NUMPY_ONLY,
        "embedding_dim": "embedding.weight.shape[1]",
        "fit": "opt.zero_grad(); loss.backward(); opt.step()",
        "float": 'model.astype("float32")',
        "get_parameter": 'model.parameters()["weight"]',
        "in_features": "model.weight.shape[0]",
        "load_state_dict": 'sg.load("model.npz", model)  # it takes strict=False, too',
        "named_buffers": "model.tensors().items()",
        "named_children named_modules": "model.modules().items()",
        "named_parameters": "model.parameters().items()",
        "normalized_shape": "norm.weight.shape",
        "num_batches_tracked": "norm.momentum  # the running values follow by it, not by a count",
        "num_embeddings": "embedding.weight.shape[0]",
        "num_features": "norm.weight.shape[0]",
        "num_parameters": "sum(theta.size for theta in model.parameters().values())",
        "out_features": "model.weight.shape[1]",
        "predict": "model(batch)",
        "register_buffer": "model.mean = sg.zeros(3)" + _NOT_REGISTERED,
        "register_forward_hook register_hook": "print(model)  # there are no hooks",
        "register_parameter": "model.scale = sg.ones(3, requires_grad=True)" + _NOT_REGISTERED,
        "requires_grad_": "for theta in model.parameters().values(): theta.requires_grad = False",
        "save state_dict": 'sg.save("model.npz", model)',
        "summary": "print(model)",
        "trainable_variables": "model.parameters()",
        "zero_grad": "opt.zero_grad()",
    }
)

_OPTIMIZER = _by_name(
    {
        "apply_gradients": "opt.step()",
        "defaults": "opt.param_groups[0]",
        "get_lr learning_rate": "opt.lr",
        "load_state_dict": "opt.load_state(opt.state())",
        "minimize": "opt.zero_grad(); loss.backward(); opt.step()",
        "set_lr": "opt.lr = 0.01",
        "state_dict": "opt.state()",
    }
)

_SCHEDULE = _by_name(
    {
        "base_lrs": "schedule.base_lr",
        "get_last_lr get_lr": "opt.lr",
        "last_epoch": "schedule.step_count",
        "load_state_dict": "schedule.load_state(schedule.state())",
        "state_dict": "schedule.state()",
    }
)

ATTRIBUTES = {
    "Tensor": _TENSOR,
    "Module": _MODULE,
    "Optimizer": _OPTIMIZER,
    "Schedule": _SCHEDULE,
    "simplegrad": _PACKAGE,
    "simplegrad.functional": _PACKAGE,
    "simplegrad.nn": _NN,
    "simplegrad.nn.init": _INIT,
    "simplegrad.optimizers": _OPTIMIZERS,
    "simplegrad.optimizers.schedules": _SCHEDULES,
}
"""By the class or the package that is asked for a name which it does not have."""

KEYWORDS = _by_name(
    {
        "a_max": "max={}",
        "a_min": "min={}",
        "affine elementwise_affine": "  # it always scales and moves",
        "amsgrad centered": "  # there is no such variant",
        "add_bias_kv add_zero_attn kdim vdim": "  # keys and values have the features of queries",
        "attn_mask": "mask=None  # its mask is True where a query may look",
        "average_attn_weights need_weights": "  # the method weights() gives those of each head",
        "bidirectional": "  # a sequence is read from its beginning to its end",
        "batch_first": "  # batches come first",
        "betas": "beta_1=0.9, beta_2=0.98  # these are two numbers",
        "correction": "ddof={}",
        "create_graph": "  # a gradient is an array, without a graph of its own",
        "diagonal": "k={}",
        "device layout pin_memory": _NUMPY_ONLY,
        "dim dims": "axis={}",
        "dropout_p": "  # nn.MultiHeadAttention has dropout",
        "dtype": "  # a result has the dtype of its inputs",
        "end": "stop={}",
        "eta_min": "  # end_factor is a share of the first rate",
        "factor": "gamma={}",
        "foreach fused": "  # simplegrad.fast is what makes it faster",
        "generator": "  # all random numbers come from sg.generator()",
        "gradient": "grad={}",
        "ignore_index": "  # it is of targets that are classes: cross_entropy and nll_loss have it",
        "initial where": "  # every element counts, and nothing else",
        "inplace": "  # results are new tensors, since gradients need the old ones",
        "inputs": "  # every leaf that requires gradients gets one",
        "keepdim": "keepdims={}",
        "key_padding_mask": "mask=None  # a mask is True where a query may look, as "
        "is_there[:, None, :] of one that is True where a key is there",
        "label_smoothing": "  # cross_entropy has it",
        "learning_rate": "lr={}",
        "loc": "mean={}",
        "log_target": "  # the target is of probabilities: sg.exp makes them of their logarithms",
        "max_norm": "  # no row is shortened",
        "norm_type ord p": "  # the norm is the root of the sum of squares",
        "nonlinearity": "  # it is tanh",
        "num_classes": "  # the logits have one column for each class",
        "order": "  # the elements are taken row by row",
        "out": "  # a result is a new tensor",
        "padding_idx": "  # every row is trained",
        "parameters params": "model=model",
        "proj_size": "  # the output has the features of the state",
        "requiresGrad": "requires_grad={}",
        "retain_graph": "  # a graph is there as long as its result, so backward() works again",
        "scale": "std={}",
        "set_to_none": "  # it fills the gradients with zeros",
        "shifts": "shift={}",
        "size": "shape={}",
        "sparse": "  # gradients are whole arrays",
        "T_0": "cycle_steps={}",
        "T_max total_iters": "total_steps={}",
        "T_mult": "cycle_mult={}",
        "track_running_stats": "  # the running mean and variance are always kept",
        "unbiased": "ddof=int({})",
        "size_average reduce": '  # reduction is "mean", "sum" or "none"',
        "weight pos_weight": "  # every class counts alike",
    }
)
"""Arguments by their name elsewhere: what the call has in their place, if anything, and why."""

OPTIMIZERS_WITH = {"betas": "Adam", "momentum": "SGD", "nesterov": "SGD", "weight_decay": "AdamW"}
"""By a hyperparameter that an optimizer does not have: the one that has it."""
